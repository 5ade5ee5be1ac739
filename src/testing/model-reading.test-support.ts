// Where one consumer of the model stands in one partition, from its assignment to its end. Knows nothing of consumers.

export class Reading {
  /** Its listener's onPartitionsAssigned has resolved. */
  ready = false;
  paused = false;
  /** Somebody sought: not the group alone decided where it begins. */
  touched = false;
  /** The next offset that must come; undefined: not known. */
  next: number | undefined;
  /** As `next`, when the application was last done with all it had. */
  processed: number | undefined;
  /** Handed out to be acknowledged, in order, and when (ms). */
  readonly unacked = new Map<number, number>();

  get inHand(): boolean {
    return this.unacked.size > 0 || this.processed !== this.next;
  }
  beginAt(offset: number): void {
    this.next = offset;
    this.processed = offset;
  }
  moveTo(offset: number | undefined): void {
    this.unacked.clear();
    this.touched = true;
    this.next = offset;
    this.processed = offset;
  }
  /** `at`: it is to be acknowledged, and came at that time. */
  take(offset: number, at?: number): void {
    this.next = offset + 1;
    if (at === undefined) return;
    this.unacked.set(offset, at);
    this.settle();
  }
  ack(offset: number): void {
    this.unacked.delete(offset);
    this.settle();
  }
  settle(): void {
    const [first] = this.unacked.keys();
    this.processed = first ?? this.next;
  }
  rewind(): void {
    const [first] = this.unacked.keys();
    if (first === undefined) return;
    this.unacked.clear();
    this.next = first;
    this.settle();
  }
  /** The log has lost what comes before `to`. */
  passOver(to: number): void {
    const idle = !this.inHand;
    this.touched = true;
    this.next = to;
    if (idle) this.processed = to;
  }
}
