// A value that changes over time, as an observable that tells newcomers the latest, also after its end. Knows nothing of what the value means.
import { Observable, Subject } from 'rxjs';

export class State<T> {
  readonly #changes = new Subject<T>();
  #latest: T;
  readonly value$ = new Observable<T>((subscriber) => {
    // What a newcomer does about it may change it again.
    let told: T;
    do {
      told = this.#latest;
      subscriber.next(told);
    } while (told !== this.#latest && !subscriber.closed);
    return this.#changes.subscribe(subscriber);
  });

  constructor(latest: T) {
    this.#latest = latest;
  }

  next(value: T): void {
    this.#latest = value;
    this.#changes.next(value);
  }
  complete(): void {
    this.#changes.complete();
  }
}
