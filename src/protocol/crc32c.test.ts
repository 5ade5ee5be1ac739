import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';

/** The definition, bit by bit. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
const ascii = (text: string) => new TextEncoder().encode(text);

/** A fresh module in a runtime with another WebAssembly. */
async function loadWith(webAssembly: unknown) {
  vi.resetModules();
  vi.stubGlobal('WebAssembly', webAssembly);
  const { crc32c } = await import('./crc32c.ts');
  crc32c(new Uint8Array(1));
  vi.unstubAllGlobals();
  return crc32c;
}
class Forbidden {
  constructor() {
    throw new WebAssembly.CompileError('blocked by Content-Security-Policy');
  }
}
let instances = 0;
class Counted extends WebAssembly.Instance {
  constructor(module: WebAssembly.Module) {
    super(module);
    instances++;
  }
}

for (const [name, crc] of [
  ['where WebAssembly is allowed', await loadWith({ Module: WebAssembly.Module, Instance: Counted })],
  ['where a Content-Security-Policy forbids it', await loadWith({ Module: Forbidden, Instance: Forbidden })],
  ['where there is none', await loadWith(undefined)],
] as const) {
  describe(`CRC-32C ${name}`, () => {
    it('has the check value of the standard and the vectors of RFC 3720', () => {
      expect(crc(ascii('123456789'))).toBe(0xe3069283);
      expect(crc(new Uint8Array(0))).toBe(0);
      expect(crc(new Uint8Array(32))).toBe(0x8a9136aa);
      expect(crc(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
      expect(crc(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
      expect(crc(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    });

    it('agrees with the definition at every length around its block, call and chunk sizes', () => {
      const bytes = Uint8Array.from({ length: 49_200 }, (_, i) => (i * 31 + (i >> 8)) & 255);
      for (const around of [0, 16, 512, 1024, 49_152, 49_168]) {
        for (let length = Math.max(0, around - 17); length <= around + 17 && length <= bytes.length; length += 3) {
          expect(crc(bytes.subarray(0, length)), `length ${length}`).toBe(reference(bytes.subarray(0, length)));
        }
      }
    });

    it('takes any part of a larger buffer, and a view of one', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(2000), fc.nat(2000), fc.nat(20), (bytes, a, b, skip) => {
          const whole = new Uint8Array(skip + bytes.length);
          whole.set(bytes, skip);
          const view = whole.subarray(skip);
          const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
          expect(crc(view, start, end)).toBe(reference(bytes.subarray(start, end)));
        }),
      );
    });
  });
}

describe('CRC-32C', () => {
  it('makes one WebAssembly instance where it may', () => {
    expect(instances).toBe(1);
  });
});
