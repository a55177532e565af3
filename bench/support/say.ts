/** Progress is told on stderr: stdout is the result's. */
export const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};
