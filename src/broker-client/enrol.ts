// Joining: a token and the node's own key for a credential. Asking again with the same key gets the same answer.
import { readFileSync, statSync } from 'node:fs';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { CodedError, defineError, messageOf } from '../daemon/errors.ts';
import {
  type EnrollRequest,
  type EnrollResponse,
  type NodeIdentity,
  NodeLinkClient,
} from '../wire/gpubroker/node/v1/node_link.ts';
import type { Channel } from './channel.ts';
import type { CredentialStore, Credentials } from './credential-store.ts';
import { enrollProof } from './node-key.ts';
import { judgeEnroll, saidBy } from './refusal.ts';

const longestTokenBytes = 4096;
/** A broker to which a whole fleet comes at once lets it wait in line. */
const deadlineMs = 30_000;

const tokenUnusable = defineError(
  'GPUB_TOKEN_UNUSABLE',
  (reason: string) => `the node has no credential of the broker yet, and ${reason}`,
  () => 'Give --onboarding-token-file a file with the token that the broker gave for this node or its cluster.',
);

const joinRefusedCode = 'GPUB_JOIN_REFUSED';
const joinRefused = defineError(
  joinRefusedCode,
  (reason: string) => `the broker refuses to let this node join: ${reason}`,
  () => 'Get a new onboarding token from the broker, put it into the token file, and start again.',
);

/** Whether the broker itself has refused: whatever else fails may go better later. */
export function isRefusal(error: unknown): boolean {
  return error instanceof CodedError && error.code === joinRefusedCode;
}

/** The broker could not be asked, or could not answer: worth another try. */
export class EnrollFailed extends Error {
  override readonly name = 'EnrollFailed';
}

/** What joining needs. */
export interface EnrolOptions {
  readonly channel: Channel;
  readonly store: CredentialStore;
  /** @throws CodedError when there is no token */
  readonly token: () => string;
  readonly identity: NodeIdentity;
  readonly abort: AbortSignal;
}

/**
 * Asks once.
 *
 * @throws EnrollFailed when the broker could not be asked, or could not answer
 * @throws CodedError when the broker refuses, there is no token, or key or credential cannot be kept
 */
export async function enrol({ channel, store, token, identity, abort }: EnrolOptions): Promise<Credentials> {
  const text = token();
  // On disk before the broker hears of it: after a crash the same key is shown again.
  const key = store.waitingKey();
  const request = { token: text, publicKey: key.publicKey, proof: enrollProof(key, text), identity };
  const { nodeId, credential } = await call(channel, request, abort);
  if (nodeId === '' || !credential?.id) throw new EnrollFailed('the broker answered without a credential');
  return store.adopt(nodeId, credential);
}

/**
 * The token in a file.
 *
 * @throws CodedError when it cannot be read, is empty or too long; its text is never shown
 */
export function readToken(path: string): string {
  if (path === '') throw tokenUnusable('no --onboarding-token-file is given');
  try {
    if (statSync(path).size > longestTokenBytes) throw new Error(`it is longer than ${longestTokenBytes} bytes`);
    const token = readFileSync(path, 'utf8').trim();
    if (token === '') throw new Error('it is empty');
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('it holds more than one word of printable ASCII');
    return token;
  } catch (error) {
    throw tokenUnusable(`the file ${path} has no token: ${messageOf(error)}`);
  }
}

function call(channel: Channel, request: EnrollRequest, abort: AbortSignal): Promise<EnrollResponse> {
  const client = new NodeLinkClient(channel.address, channel.credentials, channel.options);
  return new Promise<EnrollResponse>((resolve, reject) => {
    const done = (error: ServiceError | null, response: EnrollResponse) => {
      abort.removeEventListener('abort', cancel);
      if (!error) resolve(response);
      else reject(judgeEnroll(error) === 'lasting' ? joinRefused(saidBy(error)) : new EnrollFailed(saidBy(error)));
    };
    const asking = client.enroll(request, new Metadata(), { deadline: Date.now() + deadlineMs }, done);
    const cancel = () => asking.cancel();
    abort.addEventListener('abort', cancel);
    if (abort.aborted) cancel();
  }).finally(() => client.close());
}
