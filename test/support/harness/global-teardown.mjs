// After the last test: undoes what the global setup has done, and what a crashed test has left.
export { endRun as default } from './end-of-run.mjs';
