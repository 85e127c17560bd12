// The limits of the node link: everything that a node, or a stranger, can make grow is bounded here.

export const nodeLinkLimits = {
  /** Bytes of one message of a node that has proved its key. */
  messageBytes: 4 * 1024 * 1024,
  /** Bytes of what anybody may send: `EnrollRequest`, and the hello. */
  firstMessageBytes: 64 * 1024,
  /** Connections to the address. */
  connections: 12_000,
  /** Milliseconds after which a connection without a call is closed. */
  idleConnection: 60_000,
  /** Calls that may be open on one connection at the same time. */
  streamsPerConnection: 4,
  /** Milliseconds from the nonce to the hello. */
  helloDeadline: 5_000,
  /** Hellos that are looked up at the same time; others wait their turn. */
  hellosInProgress: 8,
  /** Enrolments that are carried out at the same time, those that wait their turn; a further one is refused. */
  enrolmentsInProgress: 4,
  enrolmentsWaiting: 2_000,
  /** Attempts to enrol that one address has at once, and how many more it gets in a second; successes do not count. */
  enrolmentBurst: 2_000,
  enrolmentsPerSecond: 20,
  /** Addresses whose attempts are counted. */
  enrolmentAddresses: 10_000,
  /** GPUs of a node: in a snapshot, in a round of telemetry, in a challenge. */
  gpus: 1_024,
  /** Conditions of a GPU. */
  conditionsPerGpu: 256,
  /** Changes in one message. */
  changesPerMessage: 4_096,
  /** Characters of a GPU's name, a condition's type, an id or a recommended action. */
  nameLength: 253,
  /** Characters of a condition's reason or status, or of why a figure was not measured. */
  reasonLength: 1_024,
  /** Characters of a condition's message, or of why a challenge was refused. */
  textLength: 32_768,
  /** Rounds of telemetry that a node may send ahead of what is stored. */
  telemetryWindow: 16,
  /** Milliseconds between two rounds, by the node's clock; what comes closer is dropped. */
  telemetrySpacing: 4_000,
  /** Milliseconds a round in the long run; a node that was cut off may send a day's worth at once. */
  telemetryInterval: 5_000,
  telemetryBurst: 17_280,
  /** Figures of a measurement, with those of names that are not known here, and as many that could not be measured. */
  figures: 64,
  /** Samples of a figure. */
  samplesPerFigure: 256,
  /** Measurements that a node may send at once, and milliseconds for a further one; what is beyond comes again. */
  measurementBurst: 1_024,
  measurementInterval: 10_000,
  /** Messages that wait to be stored, and their bytes: beyond, the stream is not read. */
  unstoredMessages: 32,
  unstoredBytes: 8 * 1024 * 1024,
  /** Messages of the broker that wait for a node that does not read; beyond, its stream is cut. */
  waitingCommands: 64,
  /** Milliseconds that a node may go without reading when something waits for it. */
  readerStall: 30_000,
  /** Milliseconds after which a stream that was ended and stays open is reset. */
  resetAfter: 5_000,
  /** Questions (challenges, pulls) that one node has not answered yet. */
  questions: 16,
  /** Milliseconds after which a node that did not send a new key is asked again. */
  rotationRetry: 600_000,
  /** Milliseconds between two looks at all streams. */
  sweepInterval: 1_000,
} as const;

/** Tests set some lower. */
export type NodeLinkLimits = { readonly [Limit in keyof typeof nodeLinkLimits]: number };
