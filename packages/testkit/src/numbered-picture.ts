/**
 * Pictures that carry a number, for clients outside of a browser: the same barcode that assets/meters.js draws and reads, so that either
 * side can tell a moving picture from a frozen one.
 */

/** White, black, then 16 bits of the number. */
const CELLS = 18;
/** The barcode takes this share of the height. */
const ROWS = 1 / 6;

/** An RGBA picture with the number on top; the rest has a colour that follows from the number. */
export function drawNumbered(number: number, width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 4).fill((number * 5) & 255);
  const rows = Math.floor(height * ROWS);
  for (let x = 0; x < width; x++) {
    const cell = Math.floor((x * CELLS) / width);
    const bright = cell === 0 || (cell > 1 && ((number >> (cell - 2)) & 1) === 1);
    for (let y = 0; y < rows; y++) pixels.fill(bright ? 255 : 0, (y * width + x) * 4, (y * width + x) * 4 + 3);
  }
  return pixels;
}

/** The number that a picture carries; `luma` has one byte a pixel. −1 when it is none of ours. */
export function readNumbered(luma: Uint8Array, width: number, height: number): number {
  const row = Math.floor((height * ROWS) / 2) * width;
  const bright = (cell: number): boolean => luma[row + Math.floor(((cell + 0.5) * width) / CELLS)]! > 127;
  if (!bright(0) || bright(1)) return -1;
  let number = 0;
  for (let bit = 0; bit < 16; bit++) if (bright(bit + 2)) number |= 1 << bit;
  return number;
}
