// Gives each name the same colour wherever it appears, in order of first sight. The colours themselves are in the style sheet.

export const COLORS = 8;
const given = new Map<string, number>();

/** 0 to COLORS − 1. */
export function colorIndex(name: string): number {
  let index = given.get(name);
  if (index === undefined) {
    index = given.size % COLORS;
    given.set(name, index);
  }
  return index;
}

/** A class of the style sheet that sets --series. */
export const colorOf = (name: string): string => `series-${colorIndex(name)}`;
