/**
 * What an upward import resolves to (`paths` in packages/PACKAGE/tsconfig.json): a file outside of every package, so that it is a
 * compile error. Without it the workspace links in node_modules would resolve the real package.
 */
export {};
