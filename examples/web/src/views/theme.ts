// Light, dark, or as the system has it: a button that goes round, and what was chosen is remembered.
import { h, type IconName, icon, setIcon } from '../dom.ts';

const THEMES = ['auto', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const KEY = 'dlog.theme';
const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const NAMES: Record<Theme, string> = { auto: 'system', light: 'light', dark: 'dark' };

/** localStorage, where the browser allows it; else nothing is remembered. */
export const remembered = {
  get(key: string): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key: string, value: string): void {
    try {
      localStorage.setItem(key, value);
    } catch (error) {
      console.debug('storage is not available', error);
    }
  },
};

export interface ThemeSwitch {
  readonly element: HTMLElement;
  next(): void;
}

/** `onChange` is called after every change of colours, also when the system changes. */
export function createThemeSwitch(onChange: () => void): ThemeSwitch {
  const stored = remembered.get(KEY);
  let theme: Theme = THEMES.find((candidate) => candidate === stored) ?? 'auto';
  const button = h('button', { type: 'button', class: 'button icon-only', onclick: () => next() }, icon('auto'));
  const apply = (): void => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const names: Record<Theme, IconName> = { auto: 'auto', light: 'light', dark: 'dark' };
    setIcon(button, names[theme]);
    const label = `Colours: ${NAMES[theme]}. Change to ${NAMES[NEXT[theme]]}.`;
    button.setAttribute('aria-label', label);
    button.title = label;
    onChange();
  };
  const next = (): void => {
    theme = NEXT[theme];
    remembered.set(KEY, theme);
    apply();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => onChange());
  apply();
  return { element: button, next };
}
