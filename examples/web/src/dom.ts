// Makes and updates elements in few words. Knows nothing of this application.
import { digitGroups } from './format.ts';

type Value = string | number | boolean | undefined | ((event: never) => void);
type Child = Node | string | null;

/** `on…` functions become listeners, true and false set and leave out an attribute, the rest are attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Readonly<Record<string, Value>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = {
  pause: 'M6 4v12M14 4v12',
  play: 'M6 4l10 6-10 6z',
  seek: 'M10 3v3M10 14v3M3 10h3M14 10h3M10 6a4 4 0 1 0 0 8a4 4 0 1 0 0-8',
  close: 'M5 5l10 10M15 5L5 15',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  plus: 'M10 4v12M4 10h12',
  down: 'M10 4v11M5 10.5l5 5 5-5',
  previous: 'M5 12l5-5 5 5',
  next: 'M5 8l5 5 5-5',
  search: 'M9 4a5 5 0 1 0 0 10a5 5 0 1 0 0-10M13 13l4 4',
  light:
    'M10 7a3 3 0 1 0 0 6a3 3 0 1 0 0-6M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1 1M14.7 14.7l1 1M4.3 15.7l1-1M14.7 5.3l1-1',
  dark: 'M16 11.5A6.5 6.5 0 1 1 8.5 4a5 5 0 0 0 7.5 7.5z',
  auto: 'M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M10 3v14M10 6h4.5M10 10h7M10 14h4.5',
  help: 'M7.5 7.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M10 14.2v.3',
  send: 'M4 10h11M10.5 5.5L15 10l-4.5 4.5',
} as const;
export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

export function setIcon(element: Element, name: IconName): void {
  element.querySelector('path')?.setAttribute('d', ICONS[name]);
}

/** Writes only what changed: an unchanged text costs no layout. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** The number as plain digits for whoever reads the text, in groups of three for the eye. The element is a <data>. */
export function setNumber(element: HTMLDataElement, value: number): void {
  const text = String(Math.round(value));
  if (element.value === text) return;
  element.value = text;
  if (text.length < 4) element.textContent = text;
  else element.replaceChildren(...digitGroups(value).map((group) => h('span', { class: 'digits' }, group)));
}

/** Elements by key, in the order of `items`; elements that stay are moved only where they must be. */
export function reconcile<T, E extends Element>(
  parent: Element,
  cache: Map<string, E>,
  items: readonly T[],
  keyOf: (item: T) => string,
  create: (item: T) => E,
): void {
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of cache) {
    if (keys.has(key)) continue;
    element.remove();
    cache.delete(key);
  }
  let place: Element | null = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = cache.get(key);
    if (element === undefined) {
      element = create(item);
      cache.set(key, element);
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}

/** Whether keys that are typed now go into a field. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('input:not([type=checkbox],[type=radio]), textarea, select'))
  );
}
