// What the browser transport makes of the events of a page, with event targets in the place of window and document.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { browserTransport } from './transport.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

function page(url: string) {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', document);
  vi.stubGlobal('location', new URL(url));
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
  return { window, document };
}

describe('the browser transport in a page', () => {
  it('dials the host of the page, with TLS where the page has it', () => {
    page('https://example.com/app?x#y');
    expect(browserTransport()).toMatchObject({ defaultServer: 'example.com', defaultScheme: 'wss' });
    page('http://localhost:9192/');
    expect(browserTransport()).toMatchObject({ defaultServer: 'localhost:9192', defaultScheme: 'ws' });
    page('file:///home/me/page.html');
    expect(browserTransport()).toMatchObject({ defaultServer: 'localhost:9192', defaultScheme: 'ws' });
  });

  it('says what becomes of the page until it is told to stop', () => {
    const { window, document } = page('http://localhost/');
    const heard: string[] = [];
    const stop = browserTransport().onLifecycle?.((signal) => heard.push(signal));
    const fire = () => {
      document.visibilityState = 'hidden';
      document.dispatchEvent(new Event('visibilitychange'));
      document.dispatchEvent(new Event('freeze'));
      document.dispatchEvent(new Event('resume'));
      document.visibilityState = 'visible';
      document.dispatchEvent(new Event('visibilitychange'));
      window.dispatchEvent(new Event('offline'));
      window.dispatchEvent(new Event('online'));
      window.dispatchEvent(new Event('pagehide'));
      window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
      window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    };
    fire();
    const all = ['hidden', 'freeze', 'resume', 'visible', 'offline', 'online', 'pagehide', 'pageshow'];
    expect(heard).toEqual(all);
    stop?.();
    fire();
    expect(heard).toEqual(all);
  });

  it('does without what a worker or Node lacks', () => {
    const transport = browserTransport();
    expect(transport).toMatchObject({ defaultServer: 'localhost:9192', defaultScheme: 'ws' });
    transport.onLifecycle?.(() => undefined)();
    const worker = new EventTarget();
    vi.stubGlobal('addEventListener', worker.addEventListener.bind(worker));
    const heard: string[] = [];
    transport.onLifecycle?.((signal) => heard.push(signal));
    worker.dispatchEvent(new Event('offline'));
    expect(heard).toEqual(['offline']);
  });
});
