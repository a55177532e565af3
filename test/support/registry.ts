import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, run, start } from '../../bench/support/processes.js';
import { wholly } from '../../bench/support/wholly.js';
import { packageRoot } from '../../schema/package-root.js';

/** A real schema registry for tests: Apicurio with its Confluent-compatible API, in memory. */
export interface Registry {
  /** Base URL of the Confluent API. */
  readonly url: string;
  stop(): Promise<void>;
}

const ARTIFACT = 'io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all';
const START_TIMEOUT_MS = 90_000;

const directory = (): string => join(packageRoot(), '.cache', 'apicurio');

/** Fetches and unpacks the registry by Maven, once a checkout. */
const fetchRegistry = (): Promise<void> =>
  wholly(directory(), (into) =>
    run(
      'mvn',
      [
        ...['-q', '-B', 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack'],
        ...[`-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${into}`],
      ],
      // Without a project Maven keeps its markers in a folder under wherever it was started.
      { cwd: into },
    ),
  );

export async function startRegistry(): Promise<Registry> {
  await fetchRegistry();
  const jar = (await readdir(directory())).find((name) => name.endsWith('-runner.jar'));
  if (jar === undefined) throw new Error(`no runner jar in ${directory()}`);
  const port = await freePort();
  const registry = start(
    'java',
    [
      '-Xmx384m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      '-Dquarkus.profile=prod',
      '-jar',
      jar,
    ],
    { cwd: directory() },
  );
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const until = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const up = await fetch(`${url}/subjects`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) break;
    if (registry.child.exitCode !== null || Date.now() > until)
      throw new Error(`the registry does not come up: ${registry.output()}`);
    await delay(200);
  }
  return { url, stop: () => registry.stop() };
}
