// One chart card: a headline, curves over the last two minutes, and a legend that switches curves on and off. Knows nothing of what they mean.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { scaleOf } from '../chart-scale.ts';
import { colorIndex } from '../colors.ts';
import { h, setText } from '../dom.ts';
import type { Curves } from '../rates.ts';

export const WINDOW_SECONDS = 120;

export interface ChartOptions {
  readonly id: string;
  readonly title: string;
  readonly hint: string;
  format(value: number): string;
  /** Short, for the axis. */
  tick(value: number): string;
  /** Ticks at powers of two. */
  readonly binary?: boolean;
  /** Which colour a curve has: that of its topic. */
  colorName(curve: string): string;
}

const POWERS_OF_TWO = Array.from({ length: 40 }, (_, exponent) => 2 ** exponent);

/** Colours as the style sheet has them at the moment: a canvas cannot follow custom properties. */
function computedColor(className: string): string {
  const probe = h('i', { class: `probe ${className}`, hidden: true });
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export class LineChart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #headline: HTMLElement;
  readonly #peak = h('span', { class: 'peak' });
  readonly #plotArea = h('div', { class: 'plot', role: 'img' });
  readonly #legend = h('ul', { class: 'legend' });
  #entries: { name: string; value: HTMLElement }[] = [];
  #hidden = new Set<string>();
  #names = '';
  #curves: Curves = { names: [], times: [], values: [] };
  #plot: uPlot | undefined;
  #now = 0;
  #ceiling = 4;
  #width = 0;
  #height = 0;

  constructor(options: ChartOptions) {
    this.#options = options;
    // Not a live region: it changes every second, and nobody wants to hear that.
    this.#headline = h('span', { class: 'headline', 'data-testid': `${options.id}-now` }, '–');
    this.element = h(
      'section',
      { class: 'panel chart', 'aria-labelledby': `${options.id}-title` },
      h(
        'header',
        {},
        h('h2', { id: `${options.id}-title`, title: options.hint }, options.title),
        this.#peak,
        this.#headline,
      ),
      this.#plotArea,
      this.#legend,
    );
    new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      this.#width = Math.floor(entry.contentRect.width);
      this.#height = Math.floor(entry.contentRect.height);
      if (this.#plot === undefined) this.#build();
      else this.#plot.setSize({ width: this.#width, height: this.#height });
    }).observe(this.#plotArea);
  }

  update(curves: Curves, headline: number, nowSeconds: number): void {
    this.#curves = curves;
    this.#now = nowSeconds;
    setText(this.#headline, this.#options.format(headline));
    const scale = scaleOf(curves);
    this.#ceiling = scale.ceiling;
    setText(this.#peak, scale.clipped ? `peak ${this.#options.format(scale.peak)}` : '');
    const names = curves.names.join('\n');
    if (names !== this.#names || this.#plot === undefined) {
      this.#names = names;
      this.#build();
    } else this.#plot.setData(this.#data());
    this.#showValues(null);
    this.#plotArea.setAttribute('aria-label', this.#describe(headline));
  }

  /** After a change of theme. */
  recolor(): void {
    if (this.#plot !== undefined) this.#build();
  }

  #describe(headline: number): string {
    const last = this.#curves.values.map((values, index) => {
      const value = values.at(-1) ?? null;
      return `${this.#curves.names[index]} ${value === null ? 'unknown' : this.#options.format(value)}`;
    });
    return `${this.#options.title}, now ${this.#options.format(headline)}. ${last.join(', ')}`;
  }

  #data(): uPlot.AlignedData {
    return [[...this.#curves.times], ...this.#curves.values.map((values) => [...values])];
  }

  #build(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#buildLegend();
    if (this.#width === 0 || this.#height === 0) return;
    const text = computedColor('probe-text');
    const grid = computedColor('probe-grid');
    const axis: uPlot.Axis = {
      stroke: text,
      font: '11px system-ui, sans-serif',
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
    };
    const series: uPlot.Series[] = this.#curves.names.map((name) => ({
      label: name,
      stroke: computedColor(`series-${colorIndex(this.#options.colorName(name))}`),
      width: 1.5,
      points: { show: false },
      show: !this.#hidden.has(name),
      spanGaps: false,
    }));
    this.#plot = new uPlot(
      {
        width: this.#width,
        height: this.#height,
        padding: [6, 6, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 5 },
          sync: { key: 'dlog' },
        },
        scales: {
          x: { time: true, range: () => [this.#now - WINDOW_SECONDS + 1, this.#now] },
          y: { range: () => [0, this.#ceiling] },
        },
        axes: [
          {
            ...axis,
            size: 22,
            space: 70,
            gap: 2,
            values: (_, splits) =>
              splits.map((at) =>
                at > this.#now - 9 || at < this.#now - WINDOW_SECONDS + 9
                  ? ''
                  : new Date(at * 1000).toTimeString().slice(0, 8),
              ),
          },
          {
            ...axis,
            size: 50,
            space: 26,
            gap: 4,
            ...(this.#options.binary === true ? { incrs: POWERS_OF_TWO } : {}),
            values: (_, splits) => splits.map((value) => this.#options.tick(value)),
          },
        ],
        series: [{}, ...series],
        hooks: { setCursor: [(plot) => this.#showValues(plot.cursor.idx ?? null)] },
      },
      this.#data(),
      this.#plotArea,
    );
  }

  #buildLegend(): void {
    this.#entries = [];
    this.#legend.replaceChildren(
      ...this.#curves.names.map((name, index) => {
        // Room for the longest text, so that the entries behind it stay where they are.
        const value = h('span', { class: this.#options.binary === true ? 'legend-value wide' : 'legend-value' }, '–');
        this.#entries.push({ name, value });
        const button = h(
          'button',
          {
            type: 'button',
            class: 'legend-entry',
            title: `${name}: show or hide`,
            'aria-label': name,
            'aria-pressed': String(!this.#hidden.has(name)),
            onclick: () => {
              if (!this.#hidden.delete(name)) this.#hidden.add(name);
              const show = !this.#hidden.has(name);
              button.setAttribute('aria-pressed', String(show));
              this.#plot?.setSeries(index + 1, { show });
            },
          },
          h('i', { class: `dot series-${colorIndex(this.#options.colorName(name))}` }),
          h('span', { class: 'legend-name' }, name),
          value,
        );
        return h('li', {}, button);
      }),
    );
  }

  #showValues(index: number | null): void {
    for (const [place, entry] of this.#entries.entries()) {
      const values = this.#curves.values[place] ?? [];
      const value = (index === null ? values.at(-1) : values[index]) ?? null;
      setText(entry.value, value === null ? '–' : this.#options.format(value));
    }
  }
}
