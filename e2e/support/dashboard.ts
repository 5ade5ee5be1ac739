// The dashboard as a person meets it: its parts by role and label, and the numbers it shows. Knows nothing of how it is made.
import { expect, type Locator, type Page } from '@playwright/test';

export class Dashboard {
  readonly page: Page;
  readonly #home: string;
  readonly status: Locator;
  readonly notices: Locator;
  readonly records: Locator;
  readonly filter: Locator;
  readonly pause: Locator;
  readonly resume: Locator;
  readonly start: Locator;
  readonly inspector: Locator;
  readonly events: Locator;

  constructor(page: Page, home: string) {
    this.page = page;
    this.#home = home;
    this.status = page.getByTestId('connection-status');
    this.notices = page.getByRole('status', { name: 'Notices' });
    this.records = page.getByRole('grid', { name: 'Records' });
    this.filter = page.getByRole('searchbox', { name: 'Filter records by key, value or topic' });
    this.pause = page.getByRole('button', { name: 'Pause', exact: true });
    this.resume = page.getByRole('button', { name: 'Resume', exact: true });
    this.start = page.getByRole('combobox', { name: 'Read from' });
    this.inspector = page.getByTestId('inspector');
    this.events = page.getByTestId('events');
  }

  /** Opens it with this query and waits until it is connected. */
  async open(query = ''): Promise<void> {
    await this.page.goto(`${this.#home}/${query}`);
    await this.expectLive();
  }
  expectLive(): Promise<void> {
    return expect(this.status).toHaveText('Live');
  }

  row(text: string): Locator {
    return this.records.getByRole('row').filter({ hasText: text });
  }
  /** The rows in sight, without the head: their cells, joined by spaces. */
  rows(): Promise<string[]> {
    return this.records
      .locator('[role=row]:not([hidden])')
      .filter({ has: this.page.locator('[role=gridcell]') })
      .evaluateAll((rows) =>
        rows
          .toSorted((a, b) => Number(a.ariaRowIndex) - Number(b.ariaRowIndex))
          .map((row) => [...row.children].map((cell) => cell.textContent).join(' ')),
      );
  }

  /** One of the totals at the top, or a count beneath the table. */
  async number(
    name: 'records-total' | 'repeated-total' | 'skipped-total' | 'buffered-bytes' | 'match-count' | 'row-count',
  ): Promise<number> {
    return Number(await this.page.getByTestId(name).getAttribute('value'));
  }
  expectNumber(name: Parameters<Dashboard['number']>[0], value: number, timeout = 15_000): Promise<void> {
    return expect.poll(() => this.number(name), { timeout, message: name }).toBe(value);
  }
  /** All of them arrived, none twice, and no offset was passed over. */
  async expectEachOnce(count: number, timeout = 15_000): Promise<void> {
    await this.expectNumber('records-total', count, timeout);
    expect(await this.number('repeated-total')).toBe(0);
    expect(await this.number('skipped-total')).toBe(0);
  }

  topic(name: string): Locator {
    return this.page.getByRole('checkbox', { name, exact: true });
  }
  tab(name: string): Locator {
    return this.page.getByRole('tab', { name });
  }
  cell(name: 'start' | 'end' | 'position' | 'lag' | 'committed', topic: string, partition = 0): Locator {
    return this.page.getByTestId(`${name}-${topic}-${partition}`);
  }

  /** Opens the group view, on this group, and waits until it shows something of it. */
  async openGroup(group: string, query = ''): Promise<void> {
    await this.open(`?view=groups&show=${group}${query}`);
    await expect(this.page.getByTestId('group-state')).not.toHaveText('–');
  }
  /** A partition in the picture of the group view. */
  groupCell(topic: string, partition: number): Locator {
    return this.page.getByTestId(`cell-${topic}-${partition}`);
  }
  /** Who owns what in that picture: the member id ('' for nobody) of each partition, by 'topic-partition'. */
  owners(): Promise<Record<string, string>> {
    return this.page
      .getByTestId('cells')
      .locator('button')
      .evaluateAll((cells) =>
        Object.fromEntries(
          cells.map((cell) => [cell.getAttribute('data-key') ?? '', cell.getAttribute('data-owner') ?? '']),
        ),
      );
  }
  member(memberId: string): Locator {
    return this.page.getByTestId(`member-${memberId}`);
  }
  get groupEvents(): Locator {
    return this.page.getByTestId('group-events');
  }

  /** Fills in the dialog that moves one partition. */
  async seek(
    topic: string,
    partition: number,
    option: string,
    field?: { label: string; value: string },
  ): Promise<void> {
    await this.page.getByRole('button', { name: `Seek ${topic} partition ${partition}` }).click();
    const dialog = this.page.getByRole('dialog', { name: `Seek ${topic} / ${partition}` });
    await dialog.getByRole('radio', { name: option, exact: true }).check();
    if (field) await dialog.getByRole('spinbutton', { name: field.label }).fill(field.value);
    await dialog.getByRole('button', { name: 'Seek', exact: true }).click();
    await expect(dialog).toBeHidden();
  }
}
