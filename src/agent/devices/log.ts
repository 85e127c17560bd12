// Where this folder writes its log: the part of pino's interface that it uses.

type Write = (fields: object, message: string) => void;

export interface Log {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}
