// The subjects that nodes talk on. Every process has its own, named by its incarnation, so that what is meant for a process
// can reach no other one, not even its successor under the same node id; once it is gone, NATS says so at once.
//
//   <prefix>.hello                                      a process tells all that it is there
//   <prefix>.who.<node id>                              asks who runs as this node
//   <prefix>.q.<incarnation>.<lane>                     frames of requests to a process
//   <prefix>.a.<incarnation>.<lane>                     frames of replies to it
//   <prefix>.a.<incarnation>.<lane>.<frame>.<part>.<parts>   reply subject of a request frame's part: names the sender and
//                                                       the part, and takes "no responders"
//   <prefix>.p.<incarnation>.<lane>.<frame>.<part>.<parts>   the same of a reply frame; nobody listens there
//   <prefix>.x.<name>                                   what others of the node say to all (heartbeats)

/** Requests that carry records travel apart from the others, on a connection of their own. */
export type Lane = 'control' | 'bulk';

export const lanes: readonly Lane[] = ['control', 'bulk'];

export interface PartAddress {
  readonly incarnation: string;
  readonly frame: number;
  readonly part: number;
  readonly parts: number;
}

export class Subjects {
  readonly #prefix: string;

  /** @throws RangeError when the prefix cannot be one token of a subject */
  constructor(prefix: string) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(prefix)) {
      throw new RangeError(`subject prefix ${JSON.stringify(prefix)}: letters, digits, _ and - only, at most 64`);
    }
    this.#prefix = prefix;
  }

  get hello(): string {
    return `${this.#prefix}.hello`;
  }
  who(nodeId: number): string {
    return `${this.#prefix}.who.${nodeId}`;
  }
  requests(incarnation: string, lane: Lane): string {
    return `${this.#prefix}.q.${incarnation}.${lane}`;
  }
  replies(incarnation: string, lane: Lane): string {
    return `${this.#prefix}.a.${incarnation}.${lane}`;
  }
  requestPart(incarnation: string, lane: Lane, frame: number, part: number, parts: number): string {
    return `${this.#prefix}.a.${incarnation}.${lane}.${frame}.${part}.${parts}`;
  }
  replyPart(incarnation: string, lane: Lane, frame: number, part: number, parts: number): string {
    return `${this.#prefix}.p.${incarnation}.${lane}.${frame}.${part}.${parts}`;
  }
  broadcast(name: string): string {
    return `${this.#prefix}.x.${name}`;
  }
}

/** The part that a reply subject names; undefined when it is not one of ours. */
export function parsePart(subject: string): PartAddress | undefined {
  const tokens = subject.split('.');
  if (tokens.length !== 7) return undefined;
  const [frame, part, parts] = [Number(tokens[4]), Number(tokens[5]), Number(tokens[6])];
  const whole = Number.isSafeInteger(frame) && Number.isSafeInteger(part) && Number.isSafeInteger(parts);
  if (!whole || part < 0 || part >= parts) return undefined;
  return { incarnation: tokens[2] as string, frame, part, parts };
}
