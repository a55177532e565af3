#!/usr/bin/env node
/*
 * node-rdkafka waits for polls, flushes and commits in libuv's threads, of which there are four: fewer than the clients
 * of a process, so that one waits for another. Their number can only be set before anything uses them, and loading an
 * ECMAScript module does: hence this small CommonJS file in front.
 */
process.env.UV_THREADPOOL_SIZE ??= '32';

void import('./topology/commands/main.js').then(async ({ main }) => {
  process.exitCode = await main(process.argv.slice(2), process.env);
});
