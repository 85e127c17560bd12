// How rows of one kind get into their table: a part of the batch's statement, and its parameters, an array a column.
import { ArrayColumn, type ColumnType, type ColumnValue } from './array-column.ts';

/** A column, its type, and its value of a row. */
export type Column<Row> = readonly [name: string, type: ColumnType, value: (row: Row) => ColumnValue];

/** What is done with the rows: SQL, given where the rows come from. */
type Action = (table: string, names: readonly string[], source: string) => string;

/** Adds rows. `conflict`: what happens to those that are there; `after`: which part has to be done before. */
export function insertion({ conflict = '', after = '' } = {}): Action {
  // Parts of one statement run in no order of their own: who asks for the count waits for all of it.
  const order = after ? ` where (select count(*) from ${after}) >= 0` : '';
  return (table, names, source) =>
    `insert into ${table} (${names.join(', ')}) select ${names.join(', ')} from ${source}${order} ${conflict}`;
}

/** Sets all columns besides the first, which says which row. `only`: a further condition. */
export function update(only = ''): Action {
  return (table, [key, ...names], source) => {
    const values = names.map((name) => `${name} = given.${name}`).join(', ');
    return `update ${table} set ${values} from ${source} where ${table}.${key} = given.${key} ${only}`;
  };
}

/** Removes the rows that have this value in their first column. */
export const removal: Action = (table, [key], source) =>
  `delete from ${table} using ${source} where ${table}.${key} = given.${key}`;

export class RowWrite<Row> {
  readonly #table: string;
  readonly #columns: readonly Column<Row>[];
  readonly #action: Action;
  readonly #arrays: ArrayColumn[];

  constructor(table: string, action: Action, columns: readonly Column<Row>[]) {
    this.#table = table;
    this.#columns = columns;
    this.#action = action;
    this.#arrays = columns.map(([, type]) => new ArrayColumn(type));
  }

  /** How many parameters it takes. */
  get parameters(): number {
    return this.#columns.length;
  }

  /** Its SQL; its parameters are numbered from `first`. */
  sql(first: number): string {
    const names = this.#columns.map(([name]) => name);
    const arrays = this.#columns.map(([, type], index) => `$${first + index}::${type}[]`);
    return this.#action(this.#table, names, `unnest(${arrays.join(', ')}) as given (${names.join(', ')})`);
  }

  /** Its parameters for these rows, in the order of {@link sql}. */
  values(rows: readonly Row[]): Buffer[] {
    return this.#columns.map(([, , value], index) => {
      const array = this.#arrays[index] as ArrayColumn;
      array.clear();
      for (const row of rows) array.push(value(row));
      return Buffer.from(array.finish());
    });
  }
}
