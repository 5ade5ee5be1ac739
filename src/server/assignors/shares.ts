// How many partitions of each topic each member gets: as even as can be, then as near as can be to what it has.
// Knows nothing of names, or of which partitions they are.

const NOT_SUBSCRIBED = -1;

/**
 * Sharing out is a flow of least cost, from topics to members: the cost is the squares of the members' loads first (least
 * when they are as even as the subscriptions allow), then how many partitions come to a member that does not have them. A
 * flow costs least exactly when no ring of hand-overs makes it cheaper. So: everybody keeps what they have, what is free
 * goes to the least loaded, and the most loaded hand over to the least loaded. That is the best there is when all
 * subscribe to the same. Where they do not, it may take several hand-overs to even out: rings, until there are none.
 */
export class Shares {
  readonly #members: number;
  readonly #topics: number;
  /** By member and topic: what it has, before. */
  readonly #had: Int32Array;
  /** What it gets. */
  readonly #gets: Int32Array;
  readonly #load: Int32Array;

  constructor(members: number, topics: number) {
    this.#members = members;
    this.#topics = topics;
    this.#had = new Int32Array(members * topics).fill(NOT_SUBSCRIBED);
    this.#gets = new Int32Array(members * topics);
    this.#load = new Int32Array(members);
  }

  /** The member subscribes to the topic, and has so many of its partitions. */
  admit(member: number, topic: number, has: number): void {
    this.#had[this.#at(member, topic)] = has;
    this.#move(member, topic, has);
  }

  /** Shares out this many partitions by topic; each topic has a subscriber, and no more are had than there are. */
  share(partitions: readonly number[]): void {
    const few = partitions.map((_, topic) => ({ topic, subscribers: this.#subscribers(topic) }));
    few.sort((a, b) => a.subscribers.length - b.subscribers.length || a.topic - b.topic);
    for (const { topic, subscribers } of few) {
      let free = partitions[topic] ?? 0;
      for (const member of subscribers) free -= this.of(member, topic);
      for (; free > 0; free--) this.#move(this.#leastLoaded(subscribers, topic), topic, 1);
    }
    this.#level();
    if (few.every(({ subscribers }) => subscribers.length === this.#members)) return;
    while (this.#improve()) {
      // Each ring makes it cheaper, and there is a least cost: it ends.
    }
  }

  of(member: number, topic: number): number {
    return this.#gets[this.#at(member, topic)] ?? 0;
  }

  #at(member: number, topic: number): number {
    return member * this.#topics + topic;
  }

  #hadOf(member: number, topic: number): number {
    return this.#had[this.#at(member, topic)] ?? NOT_SUBSCRIBED;
  }

  #loadOf(member: number): number {
    return this.#load[member] ?? 0;
  }

  #move(member: number, topic: number, count: number): void {
    const at = this.#at(member, topic);
    this.#gets[at] = (this.#gets[at] ?? 0) + count;
    this.#load[member] = this.#loadOf(member) + count;
  }

  #subscribers(topic: number): number[] {
    const found: number[] = [];
    for (let m = 0; m < this.#members; m++) if (this.#hadOf(m, topic) !== NOT_SUBSCRIBED) found.push(m);
    return found;
  }

  /** Of those with least, who has fewest of the topic; then the first. */
  #leastLoaded(subscribers: readonly number[], topic: number): number {
    let best = subscribers[0] ?? 0;
    for (const member of subscribers) {
      const more = this.#loadOf(member) - this.#loadOf(best) || this.of(member, topic) - this.of(best, topic);
      if (more < 0) best = member;
    }
    return best;
  }

  /** Hand-overs from the most loaded to the least loaded. */
  #level(): void {
    const done = new Set<number>();
    for (;;) {
      let from = -1;
      for (let m = 0; m < this.#members; m++) {
        if (!done.has(m) && (from < 0 || this.#loadOf(m) > this.#loadOf(from))) from = m;
      }
      if (from < 0) return;
      let to = -1;
      let topic = -1;
      let lighter = this.#loadOf(from) - 1;
      for (let m = 0; m < this.#members; m++) {
        if (this.#loadOf(m) >= lighter) continue;
        const fits = this.#topicToHandOver(from, m);
        if (fits < 0) continue;
        to = m;
        topic = fits;
        lighter = this.#loadOf(m);
      }
      if (to < 0) done.add(from);
      else {
        this.#move(from, topic, -1);
        this.#move(to, topic, 1);
      }
    }
  }

  /** The topic of which a hand-over costs least, then where `from` has most more than `to`; −1: there is none. */
  #topicToHandOver(from: number, to: number): number {
    let best = -1;
    let bestCost = 0;
    let bestMore = 0;
    for (let t = 0; t < this.#topics; t++) {
      if (this.of(from, t) === 0 || this.#hadOf(to, t) === NOT_SUBSCRIBED) continue;
      const cost = this.#costOfGiving(from, t) + this.#costOfTaking(to, t);
      const more = this.of(from, t) - this.of(to, t);
      if (best >= 0 && (cost > bestCost || (cost === bestCost && more <= bestMore))) continue;
      best = t;
      bestCost = cost;
      bestMore = more;
    }
    return best;
  }

  /** What it has costs nothing; each one more costs one. */
  #costOfTaking(member: number, topic: number): number {
    return this.of(member, topic) >= this.#hadOf(member, topic) ? 1 : 0;
  }
  #costOfGiving(member: number, topic: number): number {
    return this.of(member, topic) > this.#hadOf(member, topic) ? -1 : 0;
  }

  /**
   * Finds a ring of hand-overs that makes it cheaper, and does them; false: there is none. Nodes: the members, the topics
   * (a member gives one to it, another takes one from it), and one where loads are exchanged: a ring through that one
   * begins with a member that ends up with less and ends with one that ends up with more. Bellman and Ford's way, looking for a ring
   * among the predecessors after each round.
   */
  #improve(): boolean {
    const exchange = this.#members + this.#topics;
    const topicNode = (topic: number): number => this.#members + topic;
    // More than all that the hand-overs of one ring can cost.
    const weight = 2 * (this.#members + this.#topics) + 1;
    const cost = new Float64Array(exchange + 1);
    const before = new Int32Array(exchange + 1).fill(-1);
    let changed = true;
    const relax = (from: number, to: number, step: number): void => {
      const found = (cost[from] ?? 0) + step;
      if (found >= (cost[to] ?? 0)) return;
      cost[to] = found;
      before[to] = from;
      changed = true;
    };
    while (changed) {
      changed = false;
      for (let m = 0; m < this.#members; m++) {
        if (this.#loadOf(m) > 0) relax(exchange, m, -weight * this.#loadOf(m));
        for (let t = 0; t < this.#topics; t++) {
          if (this.of(m, t) > 0) relax(m, topicNode(t), this.#costOfGiving(m, t));
        }
      }
      for (let m = 0; m < this.#members; m++) {
        for (let t = 0; t < this.#topics; t++) {
          if (this.#hadOf(m, t) !== NOT_SUBSCRIBED) relax(topicNode(t), m, this.#costOfTaking(m, t));
        }
        relax(m, exchange, weight * (this.#loadOf(m) + 1));
      }
      const ring = findRing(before);
      if (ring === undefined) continue;
      for (const [from, to] of ring) {
        if (from < this.#members && to < exchange) this.#move(from, to - this.#members, -1);
        else if (from < exchange && to < this.#members) this.#move(to, from - this.#members, 1);
      }
      return true;
    }
    return false;
  }
}

/** A ring in a graph in which each node has one predecessor or none (−1), as its steps. */
function findRing(before: Int32Array): [from: number, to: number][] | undefined {
  const visit = new Int32Array(before.length);
  for (let start = 0; start < before.length; start++) {
    let node = start;
    while (node >= 0 && visit[node] === 0) {
      visit[node] = start + 1;
      node = before[node] ?? -1;
    }
    if (node < 0 || visit[node] !== start + 1) continue;
    const ring: [number, number][] = [];
    let to = node;
    do {
      const from = before[to] ?? -1;
      ring.push([from, to]);
      to = from;
    } while (to !== node);
    return ring;
  }
  return undefined;
}
