// What a migration is: SQL that makes a step of the schema, and SQL that takes it back.

export interface Migration {
  readonly up: string;
  readonly down: string;
}
