// The limits of the cache: everything that a client can make grow is bounded here.

export const limits = {
  /** GPUs in the cache, MIG instances included. */
  gpus: 1024,
  /** Providers that report on one GPU at the same time, and values of a metric's label `provider`. */
  providers: 64,
  /** Conditions that one provider may set on one GPU. */
  conditionsPerProvider: 64,
  /** Writes that may wait for their turn. */
  waitingWrites: 1024,
  /** Connections to one socket or address. */
  connections: 1_024,
  /** Calls that may be open on the Unix socket at the same time, watches included; see stream-limit.ts. */
  streams: 1_600,
  /** The same on TCP, where any process of the node may come. */
  tcpStreams: 256,
  /** Of these, watches of one kind. */
  watchers: 1_200,
  /** Characters of a name, a namespace, a UUID, a condition's type or a recommended action. */
  nameLength: 253,
  /** Characters of a provider's id. */
  providerIdLength: 128,
  /** Characters of a condition's reason. */
  reasonLength: 1024,
  /** Characters of a condition's message. */
  messageLength: 32_768,
  /** Bytes of all GPUs together, as they are sent: everything that is kept of them is some multiple of this. */
  bytes: 1024 * 1024,
  /** Bytes of the events kept for watchers that resume. */
  historyBytes: 2 * 1024 * 1024,
  /** Bytes of one request. */
  requestBytes: 512 * 1024,
  /** Bytes of a request of GetGpu or ListGpus, which need a name and a version. */
  readRequestBytes: 16 * 1024,
} as const;
