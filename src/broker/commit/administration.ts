// What the command line does with the market's journal: checks, replays and snapshots on the database.
export { type JournalReport, verifyJournal } from './journal-verification.ts';
export { type ReplayOptions, type ReplayReport, replayJournal } from './replay.ts';
export { type SnapshotHead, snapshotHeads } from './snapshot-store.ts';
export { type TakenSnapshot, takeSnapshot } from './snapshots.ts';
