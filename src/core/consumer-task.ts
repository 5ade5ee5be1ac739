// Hands the runtime's thread over for one task: to sockets, timers, rendering. Knows nothing of who pauses.

// Not every runtime has the first; setTimeout alone would add a millisecond or four each time.
declare const setImmediate: ((callback: () => void) => unknown) | undefined;
declare const MessageChannel: { new (): { readonly port1: Port; readonly port2: Port } } | undefined;
interface Port {
  onmessage: (() => void) | null;
  postMessage(message: number): void;
  close(): void;
}

/** Resolves in a later task (a microtask would keep everything else waiting). */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else if (typeof MessageChannel === 'function') {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(0);
    } else setTimeout(resolve, 0);
  });
}
