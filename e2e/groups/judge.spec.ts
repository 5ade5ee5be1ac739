// The judge against journals written by hand: what it must let pass, and what it must find. No browser, no process.
import { expect, test } from '@playwright/test';
import { excerpt, line } from './journal.ts';
import { Judge } from './judge.ts';

/** A group of `a` and `b` on two partitions with ten records each. */
class Story {
  ms = 1_000;
  readonly judge = new Judge(2, () => this.ms);
  committed: (number | null)[] = [null, null];

  constructor() {
    for (const partition of [0, 1]) {
      for (let offset = 0; offset < 10; offset++) {
        this.judge.did({ type: 'produced', partition, number: offset, offset });
      }
    }
    for (const life of ['a.1', 'b.1']) this.hello(life);
  }
  hello(life: string): void {
    this.judge.hear(life, { type: 'hello', at: this.ms, name: life.slice(0, 1) });
  }
  assigned(life: string, ...partitions: number[]): void {
    const committed = new Map(partitions.map((partition) => [partition, this.committed[partition] ?? null]));
    const memberId = `id-of-${life.slice(0, 1)}`;
    this.judge.hear(life, { type: 'assigned', at: this.ms, memberId, partitions }, committed);
  }
  gone(life: string, type: 'revoked' | 'lost', ...partitions: number[]): void {
    this.judge.hear(life, { type, at: this.ms, partitions });
  }
  begin(life: string, partition: number, offset: number, at = this.ms): void {
    this.judge.hear(life, { type: 'begin', at, partition, offset, value: `${partition}:${offset}` });
  }
  end(life: string, partition: number, offset: number): void {
    this.judge.hear(life, { type: 'end', at: this.ms, partition, offset });
  }
  /** Processes offsets from…to. */
  work(life: string, partition: number, from: number, to: number): void {
    for (let offset = from; offset <= to; offset++) {
      this.begin(life, partition, offset);
      this.end(life, partition, offset);
    }
  }
  commit(life: string, partition: number, offset: number): void {
    this.committed[partition] = offset;
    this.judge.hear(life, { type: 'committed', at: this.ms, offsets: [[partition, offset]] });
  }
  die(life: string, of: 'killed' | 'reloading'): void {
    this.judge.did({ type: of, life });
    this.judge.did({ type: 'gone', life });
  }
  leave(life: string, ...partitions: number[]): void {
    this.judge.did({ type: 'leaving', life });
    this.gone(life, 'revoked', ...partitions);
    this.judge.did({ type: 'gone', life });
  }
  /** What was found wrong. */
  get found(): string[] {
    return this.judge.entries.filter(({ wrong }) => wrong).map(({ remark }) => remark);
  }
}

const allowed: Record<string, (story: Story) => void> = {
  'a hand-over by revocation, and a clean end': (story) => {
    story.assigned('a.1', 0, 1);
    story.work('a.1', 0, 0, 9);
    story.work('a.1', 1, 0, 4);
    story.commit('a.1', 1, 5);
    story.commit('a.1', 0, 10);
    story.gone('a.1', 'revoked', 1);
    story.assigned('b.1', 1);
    story.work('b.1', 1, 5, 9);
    story.leave('b.1', 1);
    story.leave('a.1', 0);
    story.judge.finish();
  },
  'a crash: what was not committed comes again': (story) => {
    story.assigned('a.1', 0, 1);
    story.work('a.1', 0, 0, 4);
    story.commit('a.1', 0, 3);
    story.begin('a.1', 0, 5);
    story.die('a.1', 'killed');
    story.assigned('b.1', 0, 1);
    story.work('b.1', 0, 3, 9);
    expect(story.judge.figures.again.crash).toBe(2);
  },
  'a frozen member whose partitions went on elsewhere, and who says so once it wakes': (story) => {
    story.assigned('a.1', 0, 1);
    story.work('a.1', 0, 0, 2);
    story.begin('a.1', 0, 3);
    story.judge.did({ type: 'frozen', life: 'a.1' });
    const at = story.ms;
    story.ms += 5_000;
    story.assigned('b.1', 0, 1);
    story.work('b.1', 0, 0, 3);
    story.begin('b.1', 0, 4);
    story.judge.did({ type: 'thawed', life: 'a.1' });
    story.end('a.1', 0, 3);
    story.begin('a.1', 1, 0, at);
    story.end('a.1', 1, 0);
    story.end('b.1', 0, 4);
    story.gone('a.1', 'lost', 0, 1);
    expect(story.judge.figures.again['lost session']).toBe(3);
  },
  'an assignment heard only when its member was frozen already': (story) => {
    story.judge.did({ type: 'frozen', life: 'a.1' });
    story.assigned('a.1', 0);
    story.assigned('b.1', 0);
    story.work('b.1', 0, 0, 1);
  },
  'a reload that takes the member over': (story) => {
    story.assigned('a.1', 0);
    story.assigned('b.1', 1);
    story.work('a.1', 0, 0, 2);
    story.judge.did({ type: 'calm', reason: 'a reloads', life: 'a.1' });
    story.die('a.1', 'reloading');
    story.hello('a.2');
    story.assigned('a.2', 0);
    story.work('a.2', 0, 0, 5);
    story.judge.did({ type: 'calm over' });
    expect(story.judge.figures.again.reload).toBe(3);
  },
  'a revocation before its commit': (story) => {
    story.assigned('a.1', 0);
    story.work('a.1', 0, 0, 2);
    story.gone('a.1', 'revoked', 0);
    story.assigned('b.1', 0);
    story.work('b.1', 0, 0, 2);
    expect(story.judge.figures.again.revoked).toBe(3);
  },
};
for (const [name, tell] of Object.entries(allowed)) {
  test(`the judge lets pass: ${name}`, () => {
    const story = new Story();
    tell(story);
    expect(story.found).toEqual([]);
    expect(story.judge.firstWrong).toBeUndefined();
  });
}

const forbidden: Record<string, readonly [found: RegExp, tell: (story: Story) => void]> = {
  'a partition given to a second member while the first lives': [
    /p0 is still a\.1's, which lives/,
    (story) => {
      story.assigned('a.1', 0);
      story.assigned('b.1', 0);
    },
  ],
  'a member that wakes and begins one more record': [
    /the partition is b\.1's/,
    (story) => {
      story.assigned('a.1', 0);
      story.judge.did({ type: 'frozen', life: 'a.1' });
      story.ms += 5_000;
      story.assigned('b.1', 0);
      story.work('b.1', 0, 0, 0);
      story.judge.did({ type: 'thawed', life: 'a.1' });
      story.begin('a.1', 0, 0);
    },
  ],
  'a record without an assignment': [/the partition is nobody's/, (story) => story.begin('a.1', 0, 0)],
  'a record after the revocation': [
    /the partition is nobody's/,
    (story) => {
      story.assigned('a.1', 0);
      story.gone('a.1', 'revoked', 0);
      story.begin('a.1', 0, 0);
    },
  ],
  'a revocation with a record in hand': [
    /a record is in hand/,
    (story) => {
      story.assigned('a.1', 0);
      story.begin('a.1', 0, 0);
      story.gone('a.1', 'revoked', 0);
    },
  ],
  'two records of a partition at once': [
    /a\.1 is at work on @0/,
    (story) => {
      story.assigned('a.1', 0);
      story.begin('a.1', 0, 0);
      story.begin('a.1', 0, 1);
    },
  ],
  'two members at work on one partition': [
    /a\.1 is at work on @0/,
    (story) => {
      story.assigned('a.1', 0);
      story.begin('a.1', 0, 0);
      story.assigned('b.1', 0);
      story.begin('b.1', 0, 0);
    },
  ],
  'a record that is skipped': [
    /out of order: @1 is next/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 0);
      story.begin('a.1', 0, 2);
    },
  ],
  'a record that comes twice within an assignment': [
    /out of order: @1 is next; comes again/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 0);
      story.begin('a.1', 0, 0);
    },
  ],
  'a new owner that starts elsewhere than at the commit': [
    /out of order: @2 is next/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 3);
      story.commit('a.1', 0, 2);
      story.gone('a.1', 'revoked', 0);
      story.assigned('b.1', 0);
      story.begin('b.1', 0, 0);
    },
  ],
  'a repetition after a clean leave': [
    /comes again, but a\.1, who had it, left cleanly/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 1);
      story.commit('a.1', 0, 1);
      story.leave('a.1', 0);
      story.assigned('b.1', 0);
      story.begin('b.1', 0, 1);
    },
  ],
  'a leave that never gave its partitions up': [
    /never gave p0 p1 up/,
    (story) => {
      story.assigned('a.1', 0, 1);
      story.leave('a.1');
    },
  ],
  'a commit ahead of what is processed': [
    /p0 is processed up to 1 only/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 0);
      story.begin('a.1', 0, 1);
      story.commit('a.1', 0, 2);
    },
  ],
  'a hand-over ahead of what was processed': [
    /2 is committed, but 1 is not processed/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 0);
      story.committed = [2, null];
      story.gone('a.1', 'revoked', 0);
      story.assigned('b.1', 0);
    },
  ],
  'a commit that was forgotten': [
    /goes on at 1, but 3 was committed/,
    (story) => {
      story.assigned('a.1', 0);
      story.work('a.1', 0, 0, 3);
      story.commit('a.1', 0, 3);
      story.die('a.1', 'killed');
      story.committed = [1, null];
      story.assigned('b.1', 0);
    },
  ],
  'a session lost for no reason': [
    /lost by a member that was never frozen/,
    (story) => {
      story.assigned('a.1', 0);
      story.gone('a.1', 'lost', 0);
    },
  ],
  'a rebalance where there must be none': [
    /a rebalance in spite of: the connection of a is cut/,
    (story) => {
      story.assigned('a.1', 0, 1);
      story.judge.did({ type: 'calm', reason: 'the connection of a is cut' });
      story.gone('a.1', 'revoked', 1);
    },
  ],
  'a reloaded member that comes back as another': [
    /a was id-of-a and came back as new/,
    (story) => {
      story.assigned('a.1', 0);
      story.judge.did({ type: 'calm', reason: 'a reloads', life: 'a.1' });
      story.die('a.1', 'reloading');
      story.hello('a.2');
      story.judge.hear('a.2', { type: 'assigned', at: 0, memberId: 'new', partitions: [0] });
      story.judge.did({ type: 'calm over' });
    },
  ],
  'a reloaded member that comes back with less': [
    /a had 0 1 and now has 1/,
    (story) => {
      story.assigned('a.1', 0, 1);
      story.judge.did({ type: 'calm', reason: 'a reloads', life: 'a.1' });
      story.die('a.1', 'reloading');
      story.hello('a.2');
      story.assigned('a.2', 1);
      story.judge.did({ type: 'calm over' });
    },
  ],
  'a member that vanishes': [/nobody killed it/, (story) => story.judge.did({ type: 'gone', life: 'a.1' })],
  'a record that nobody processed': [
    /p1: never processed: 9/,
    (story) => {
      story.assigned('a.1', 0, 1);
      story.work('a.1', 0, 0, 9);
      story.work('a.1', 1, 0, 8);
      story.leave('a.1', 0, 1);
      story.judge.finish();
    },
  ],
  'a record that was written twice': [
    /number 10 of its partition/,
    (story) => story.judge.did({ type: 'produced', partition: 0, number: 10, offset: 11 }),
  ],
};
for (const [name, [found, tell]] of Object.entries(forbidden)) {
  test(`the judge finds: ${name}`, () => {
    const story = new Story();
    tell(story);
    expect(story.found.join('\n')).toMatch(found);
  });
}

test('an excerpt tells what led to the first violation, and leaves out other partitions', () => {
  const story = new Story();
  story.assigned('a.1', 0, 1);
  story.work('a.1', 1, 0, 3);
  story.work('a.1', 0, 0, 1);
  story.begin('b.1', 0, 2);
  const { entries, firstWrong = -1 } = story.judge;
  const text = excerpt(entries, firstWrong);
  expect(text).toContain('ASSIGNED 0 1 as id-of-a');
  expect(text).toContain('end p0 @1');
  expect(text).not.toContain('end p1');
  expect(text).toContain(
    entries
      .slice(firstWrong, firstWrong + 1)
      .map(line)
      .join(),
  );
  expect(text).toContain("<<<<<<<<<< the partition is a.1's");
});
