// Messages of a stream as its leader has them: what is read here is committed. (A direct get asks any replica, which may
// be behind.) The leader answers in JSON, so this is for single messages.

import { JetStreamError, MESSAGE_NOT_FOUND } from './faults.ts';
import type { JournalNames } from './names.ts';
import type { Requester } from './requester.ts';

export interface StoredMessage {
  readonly sequence: number;
  readonly data: Buffer;
}

interface GetAnswer {
  readonly message?: { readonly seq: number; readonly data?: string };
}

async function get(requester: Requester, names: JournalNames, stream: string, what: object): Promise<StoredMessage> {
  const answer = await requester.api<GetAnswer>(names.api(`STREAM.MSG.GET.${stream}`), what);
  if (answer.message === undefined) throw new JetStreamError(MESSAGE_NOT_FOUND, 'no message found');
  return { sequence: answer.message.seq, data: Buffer.from(answer.message.data ?? '', 'base64') };
}

/** The subject's last message. @throws RequestLost, JetStreamError (isMessageNotFound: it has none) */
export function lastMessage(
  requester: Requester,
  names: JournalNames,
  stream: string,
  subject: string,
): Promise<StoredMessage> {
  return get(requester, names, stream, { last_by_subj: subject });
}

/** The subject's first message at or above `sequence`. @throws RequestLost, JetStreamError */
export function nextMessage(
  requester: Requester,
  names: JournalNames,
  stream: string,
  subject: string,
  sequence: number,
): Promise<StoredMessage> {
  return get(requester, names, stream, { seq: sequence, next_by_subj: subject });
}

/** The message with this sequence. @throws RequestLost, JetStreamError */
export function messageAt(
  requester: Requester,
  names: JournalNames,
  stream: string,
  sequence: number,
): Promise<StoredMessage> {
  return get(requester, names, stream, { seq: sequence });
}
