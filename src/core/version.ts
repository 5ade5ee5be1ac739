// The version that this client states in hello. The package's own; a test compares them.
export const VERSION = '0.1.0';
