// The three charts: records a second and bytes a second by topic, and lag by partition. Redrawn once a second.
import type { AppState } from '../app-state.ts';
import type { Controller } from '../controller.ts';
import { h } from '../dom.ts';
import { formatBytes, formatCount } from '../format.ts';
import type { Curves } from '../rates.ts';
import { RateSampler } from '../rates-sampler.ts';
import type { Store } from '../store.ts';
import { LineChart } from './line-chart.ts';

const MAX_CURVES = 12;
const INTERVAL_MS = 1000;

const latestSum = (curves: Curves): number => curves.values.reduce((sum, values) => sum + (values.at(-1) ?? 0), 0);

export function createCharts(
  store: Store<AppState>,
  controller: Controller,
): { readonly element: HTMLElement; recolor(): void } {
  const sampler = new RateSampler(Date.now());
  const topicOf = (curve: string): string => curve.split(' / ')[0] ?? curve;
  const records = new LineChart({
    id: 'records-rate',
    title: 'Records/s',
    hint: 'Records read, by topic',
    format: formatCount,
    tick: formatCount,
    colorName: topicOf,
  });
  const bytes = new LineChart({
    id: 'bytes-rate',
    title: 'Bytes/s',
    hint: 'Bytes of keys and values read, by topic',
    format: (value) => `${formatBytes(value)}/s`,
    tick: (value) => formatBytes(value).replace('.0', ''),
    binary: true,
    colorName: topicOf,
  });
  const lag = new LineChart({
    id: 'lag',
    title: 'Lag',
    hint: 'Records not read yet, by partition',
    format: formatCount,
    tick: formatCount,
    // Partitions of one topic are told apart.
    colorName: (curve) => (curve.endsWith(' / 0') ? topicOf(curve) : curve),
  });
  const tick = (): void => {
    const now = Date.now();
    const { partitions, reading, view } = store.get();
    sampler.sample(now, controller.continuity, partitions, reading);
    // Nobody looks at a hidden page or at another view; the history goes on.
    if (document.hidden || view !== 'records') return;
    const seconds = Math.round(now / 1000);
    for (const [chart, history] of [
      [records, sampler.records],
      [bytes, sampler.bytes],
      [lag, sampler.lag],
    ] as const) {
      const curves = history.curves(MAX_CURVES);
      chart.update(curves, latestSum(curves), seconds);
    }
  };
  setInterval(tick, INTERVAL_MS);
  tick();
  return {
    element: h('div', { class: 'charts' }, records.element, bytes.element, lag.element),
    recolor() {
      for (const chart of [records, bytes, lag]) chart.recolor();
    },
  };
}
