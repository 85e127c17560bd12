// Keeps one resource registered with the kubelet, through restarts of the kubelet.
//
//   absent ──the kubelet's socket is there──▶ registering ──registered──▶ registered ──the kubelet follows──▶ followed
//                                                ▲  └─ refused: back-off      │ nobody follows for 10 s            │
//                                                └────────────────────────────┴──── another socket, or none ──────┘
//
// A kubelet that starts removes every socket in its folder and makes its own anew: another inode or another time.
import { statSync } from 'node:fs';
import { credentials } from '@grpc/grpc-js';
import { Backoff } from '../daemon/backoff.ts';
import { messageOf } from '../daemon/errors.ts';
import { unary } from '../daemon/grpc-call.ts';
import type { Log } from '../daemon/logger.ts';
import { RegistrationClient } from '../wire/kubelet/deviceplugin/v1beta1/api.ts';
import { type PluginServer, pluginOptions } from './plugin-server.ts';

export interface RegistrationOptions {
  /** The path of the kubelet's socket. */
  readonly kubelet: string;
  readonly plugin: PluginServer;
  readonly log: Log;
  /** Called after every attempt to register. */
  readonly onAttempt: (result: 'registered' | 'failed') => void;
}

/** The longest wait for the kubelet's answer, in milliseconds. */
const callDeadline = 5_000;
/** A kubelet that has not begun to follow after so many milliseconds has forgotten the plugin. */
const followDeadline = 10_000;
const backoffBounds = { first: 1_000, longest: 30_000 };

/** One resource and the kubelet. Nothing happens by itself: {@link keep} is to be called every second or so. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #backoff = new Backoff(backoffBounds, Math.random);
  /** The kubelet with which the plugin is registered. */
  #registeredWith: string | undefined;
  /** The kubelet that was asked last. */
  #tried: string | undefined;
  #followedUntil = 0;
  #nextAttempt = 0;
  #reason = 'not registered yet';

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get plugin(): PluginServer {
    return this.#options.plugin;
  }

  /** Why the kubelet does not follow, for people; empty when it does. */
  get reason(): string {
    if (this.#reason !== '') return this.#reason;
    return this.plugin.followers > 0 ? '' : 'registered, but the kubelet does not follow';
  }

  /** Serves and registers, as far as that is necessary now; never throws. */
  async keep(): Promise<void> {
    const now = performance.now();
    if (this.plugin.followers > 0) {
      this.#followedUntil = now + followDeadline;
      this.#startOver();
    }
    const kubelet = this.#kubelet();
    if (kubelet === undefined) {
      this.#registeredWith = undefined;
      return;
    }
    const isNew = kubelet !== this.#registeredWith;
    if (!isNew && this.plugin.isServing && now < this.#followedUntil) return;
    if (kubelet !== this.#tried) this.#startOver();
    if (now < this.#nextAttempt) return;
    this.#tried = kubelet;
    await this.#register(kubelet);
  }

  #startOver(): void {
    this.#backoff.reset();
    this.#nextAttempt = 0;
  }

  /** Which kubelet it is; undefined where there is none. */
  #kubelet(): string | undefined {
    try {
      const found = statSync(this.#options.kubelet, { bigint: true, throwIfNoEntry: false });
      if (found?.isSocket()) return `${found.ino} ${found.ctimeNs}`;
      this.#fail(`there is no socket ${this.#options.kubelet}`);
    } catch (error) {
      this.#fail(messageOf(error));
    }
    return undefined;
  }

  async #register(kubelet: string): Promise<void> {
    const { plugin, log, onAttempt } = this.#options;
    this.#nextAttempt = performance.now() + this.#backoff.next();
    try {
      if (!plugin.isServing) await plugin.open();
      await this.#call();
      this.#registeredWith = kubelet;
      this.#followedUntil = performance.now() + followDeadline;
      this.#reason = '';
      log.info({ resource: plugin.resource }, 'registered with the kubelet');
      onAttempt('registered');
    } catch (error) {
      this.#registeredWith = undefined;
      this.#fail(messageOf(error));
      onAttempt('failed');
    }
  }

  async #call(): Promise<void> {
    const { kubelet, plugin } = this.#options;
    // One connection for each attempt: the socket that it leads to may have been replaced.
    const client = new RegistrationClient(`unix:${kubelet}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
    const { endpoint, resource: resourceName } = plugin;
    try {
      const request = { version: 'v1beta1', endpoint, resourceName, options: pluginOptions };
      await unary(client, client.register, request, callDeadline);
    } finally {
      client.close();
    }
  }

  /** Says each reason once. */
  #fail(reason: string): void {
    if (reason !== this.#reason) {
      this.#options.log.warn({ resource: this.plugin.resource, reason }, 'not registered with the kubelet');
    }
    this.#reason = reason;
  }
}
