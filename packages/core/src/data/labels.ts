/** Labels of LiveKit's data channels. */
export const RELIABLE_LABEL = "_reliable";
export const LOSSY_LABEL = "_lossy";
export const DATA_TRACK_LABEL = "_data_track";
