// CRC-32C (Castagnoli), the checksum of RecordBatch v2: slice-by-16, in WebAssembly where the runtime allows it. Knows nothing of batches.

const TABLE_BYTES = 16 * 256 * 4;
/** Input is copied into WebAssembly's memory by so many bytes at a time: they stay in the L2 cache. */
const CHUNK_BYTES = 48 * 1024;
/** Shorter inputs are done before a copy and a call would have paid off. */
const WASM_FROM_BYTES = 512;

/** The CRC of `memory[pointer, end)`, a multiple of 16 bytes, continued from `crc`; the sixteen tables lie at address 0. */
type WasmCrc = (crc: number, pointer: number, end: number) => number;
interface Engine {
  /** Sixteen tables of 256 words: table k is for a byte that k more bytes follow. */
  readonly table: Int32Array;
  readonly memory?: Uint8Array;
  readonly run?: WasmCrc;
}

// Made at the first use and never changed after it; the input area of its memory is only used within one call.
let engine: Engine | undefined;

/** Unsigned 32 bits over bytes[start, end). */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  engine ??= makeEngine();
  const { table, memory, run } = engine;
  let crc = -1;
  let at = start;
  if (run !== undefined && memory !== undefined && end - start >= WASM_FROM_BYTES) {
    const wholeEnd = end - ((end - start) & 15);
    while (at < wholeEnd) {
      const next = Math.min(at + CHUNK_BYTES, wholeEnd);
      memory.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, next - at), TABLE_BYTES);
      crc = run(crc, TABLE_BYTES, TABLE_BYTES + next - at);
      at = next;
    }
  }
  return ~sliceBy16(table, crc, bytes, at, end) >>> 0;
}

function sliceBy16(table: Int32Array, initial: number, b: Uint8Array, start: number, end: number): number {
  const t = table;
  let crc = initial;
  let i = start;
  for (const wholeEnd = end - 15; i < wholeEnd; i += 16) {
    crc =
      (t[3840 + ((crc ^ (b[i] as number)) & 255)] as number) ^
      (t[3584 + (((crc >>> 8) ^ (b[i + 1] as number)) & 255)] as number) ^
      (t[3328 + (((crc >>> 16) ^ (b[i + 2] as number)) & 255)] as number) ^
      (t[3072 + ((crc >>> 24) ^ (b[i + 3] as number))] as number) ^
      (t[2816 + (b[i + 4] as number)] as number) ^
      (t[2560 + (b[i + 5] as number)] as number) ^
      (t[2304 + (b[i + 6] as number)] as number) ^
      (t[2048 + (b[i + 7] as number)] as number) ^
      (t[1792 + (b[i + 8] as number)] as number) ^
      (t[1536 + (b[i + 9] as number)] as number) ^
      (t[1280 + (b[i + 10] as number)] as number) ^
      (t[1024 + (b[i + 11] as number)] as number) ^
      (t[768 + (b[i + 12] as number)] as number) ^
      (t[512 + (b[i + 13] as number)] as number) ^
      (t[256 + (b[i + 14] as number)] as number) ^
      (t[b[i + 15] as number] as number);
  }
  for (; i < end; i++) crc = (t[(crc ^ (b[i] as number)) & 255] as number) ^ (crc >>> 8);
  return crc;
}

function makeEngine(): Engine {
  const wasm = wasmCrc();
  // WebAssembly and its fallback share one table.
  const table = new Int32Array(wasm?.memory ?? new ArrayBuffer(TABLE_BYTES), 0, TABLE_BYTES / 4);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256] as number;
    table[i] = (before >>> 8) ^ (table[before & 255] as number);
  }
  return wasm === undefined ? { table } : { table, memory: new Uint8Array(wasm.memory), run: wasm.run };
}

/** `undefined` where there is no WebAssembly or a Content-Security-Policy forbids it. */
function wasmCrc(): { memory: ArrayBuffer; run: WasmCrc } | undefined {
  try {
    const { m, f } = new WebAssembly.Instance(new WebAssembly.Module(wasmModule())).exports;
    return { memory: (m as WebAssembly.Memory).buffer, run: f as WasmCrc };
  } catch {
    return undefined;
  }
}

/**
 * The module's bytes, assembled by hand: one page of exported memory `m`, and `f`, which is
 *
 *   (func (param $crc i32) (param $p i32) (param $end i32) (result i32) (local $w i32) (local $next i32)
 *     loop
 *       for each of the four 32-bit words at $p:  $w = load(word), the first one ^ $crc
 *         for each of its four bytes:             $next ^= load(table of the byte + 4 * byte)
 *       $crc = $next;  $p += 16;  if $p < $end continue
 *     end
 *     $crc)
 */
function wasmModule(): Uint8Array<ArrayBuffer> {
  const get = 0x20;
  const set = 0x21;
  const tee = 0x22;
  const i32Const = 0x41;
  const load = 0x28;
  const and = 0x71;
  const xor = 0x73;
  const shl = 0x74;
  const shru = 0x76;
  const [crc, pointer, end, word] = [0, 1, 2, 3];
  const leb = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]);

  const code = [1, 1, 0x7f, 0x03, 0x40]; // one local of type i32; loop
  for (let w = 0; w < 4; w++) {
    code.push(get, pointer, load, 2, w * 4);
    if (w === 0) code.push(get, crc, xor);
    code.push(set, word);
    for (let byte = 0; byte < 4; byte++) {
      code.push(get, word);
      // 4 * byte, as an address: shifted and masked (0x3fc as signed LEB128); the highest byte needs no less.
      if (byte === 0) code.push(i32Const, 2, shl);
      else code.push(i32Const, 8 * byte - 2, shru);
      code.push(i32Const, 0xfc, 0x07, and, load, 2, ...leb((15 - 4 * w - byte) * 1024));
      if (w + byte > 0) code.push(xor);
    }
  }
  code.push(set, crc);
  code.push(get, pointer, i32Const, 16, 0x6a, tee, pointer, get, end, 0x49, 0x0d, 0, 0x0b); // + 16; < end: continue
  code.push(get, crc, 0x0b);

  const section = (id: number, ...body: number[]): number[] => [id, ...leb(body.length), ...body];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f), // type 0: (i32, i32, i32) → i32
    ...section(3, 1, 0), // one function of type 0
    ...section(5, 1, 0, 1), // memory of one page
    ...section(7, 2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0), // exports: memory m, function f
    ...section(10, 1, ...leb(code.length), ...code),
  ]);
}
