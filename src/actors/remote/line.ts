// The order of messages to one actor whose owner changes. They are sent side by side while the owner takes them. When one is
// refused for having no effect there, those behind it wait until every one under way is answered: then the first of those
// that wait tries alone, and when it is taken the others follow at once, in their order. Or a producer's batches would
// overtake each other, as refusals come back in any order.
//
// One that was sent before such a refusal was known can come to an owner that is ready again, ahead of what was refused. It
// is taken or, where its number tells, refused for that: it then gets in line again.
//
//   sent side by side ──one refused──▶ all answered? ──▶ first tries ──taken──▶ the others follow
//          ▲                                               │  ▲                        │
//          │                                           refused └── something changed   │
//          └───────────────────────────────────────────────────────────────────────────┘

/** A message in line. */
interface Waiting {
  readonly ticket: number;
  readonly deadlineMs: number;
  /** Why it waits. */
  readonly refusal: unknown;
  readonly go: () => void;
  readonly giveUp: (refusal: unknown) => void;
}

export class Line {
  #lastTicket = 0;
  /** How many have been sent again. */
  #attemptsAgain = 0;
  /** Sent and not answered: how many had been sent again before, by ticket. */
  readonly #underWay = new Map<number, number>();
  /** By ticket. */
  #waiting: Waiting[] = [];

  /** Nobody is in it. */
  get isEmpty(): boolean {
    return this.#underWay.size === 0 && this.#waiting.length === 0;
  }

  /** Whether somebody waits, so that whoever comes now waits behind. */
  get isWaitedIn(): boolean {
    return this.#waiting.length > 0;
  }

  /** A place in the line. */
  ticket(): number {
    return ++this.#lastTicket;
  }

  /** A message is sent. */
  sent(ticket: number): void {
    this.#underWay.set(ticket, this.#attemptsAgain);
  }

  /** It was taken, or failed for good: whoever waits may follow. */
  taken(ticket: number): void {
    this.#underWay.delete(ticket);
    if (this.#waiting.length === 0) return;
    const following = this.#waiting;
    this.#waiting = [];
    for (const waiting of following) this.#go(waiting);
  }

  /** It was refused and waits, or gives up. */
  refused(ticket: number): void {
    this.#underWay.delete(ticket);
  }

  /** Whether a message under way may have come before one that was sent earlier. */
  mayHaveOvertaken(ticket: number): boolean {
    if ((this.#waiting[0]?.ticket ?? ticket) < ticket) return true;
    for (const other of this.#underWay.keys()) if (other < ticket) return true;
    return (this.#underWay.get(ticket) as number) < this.#attemptsAgain;
  }

  /**
   * Makes an attempt when it is the turn of `ticket`, in whose moment it counts as sent: nothing that comes meanwhile gets
   * in between.
   * @returns what becomes of it
   * @throws `refusal` when nobody has got through by `deadlineMs`
   */
  wait<T>(ticket: number, deadlineMs: number, refusal: unknown, attempt: () => Promise<T>): Promise<T> {
    return new Promise((resolve, giveUp) => {
      const behind = this.#waiting.findIndex((other) => other.ticket > ticket);
      const waiting = { ticket, deadlineMs, refusal, go: () => resolve(attempt()), giveUp };
      if (behind < 0) this.#waiting.push(waiting);
      else this.#waiting.splice(behind, 0, waiting);
    });
  }

  /** Something has changed, or it is time to look: the first tries, unless others are under way still. */
  look(nowMs: number): void {
    if (this.#underWay.size > 0) {
      this.giveUpLate(nowMs);
      return;
    }
    const first = this.#waiting.shift();
    if (first !== undefined) this.#go(first);
  }

  /** The first has tried in vain for too long: so have all whose time is over. */
  giveUpLate(nowMs: number): void {
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter(({ deadlineMs }) => deadlineMs > nowMs);
    for (const { giveUp, refusal } of late) giveUp(refusal);
  }

  #go({ ticket, go }: Waiting): void {
    this.#attemptsAgain++;
    this.sent(ticket);
    go();
  }
}
