import { isIP, isIPv6 } from 'node:net';
import { FormatRegistry, Type, type StringOptions, type TString } from '@sinclair/typebox';

/**
 * Addresses in the configuration: kinds of strings that say what they expect. By functions and not by patterns, for a
 * pattern does not count to 65535.
 */

const LABELS = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;
const NUMBERS = /^[\d.]+$/;
const BROKER = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/;

/** A name or an IP address; underscores are allowed, as container networks have them. */
function isHost(text: string): boolean {
  return isIP(text) !== 0 || (LABELS.test(text) && !NUMBERS.test(text));
}

function isBroker(text: string): boolean {
  const [, address, host, port] = BROKER.exec(text) ?? [];
  const isPort = Number(port) >= 1 && Number(port) <= 65_535;
  return isPort && (address === undefined ? isHost(host) : isIPv6(address));
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}

/** The client takes an address without a host too, where `host=` behind it names a socket. */
function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text.replace('@/', '@socket/'));
}

const address =
  (format: string, expected: string, test: (text: string) => boolean) =>
  (options: StringOptions = {}): TString => {
    FormatRegistry.Set(format, test);
    return Type.String({ ...options, format, expected });
  };

export const Host = address('host', 'a host name or an IP address, without scheme and port', isHost);
export const Broker = address('broker', 'host:port, port from 1 to 65535, an IPv6 address in brackets', isBroker);
export const HttpUrl = address('http-url', 'a URL like http://host:port or https://host', isHttpUrl);
export const PostgresUrl = address(
  'postgres-url',
  'a URL like postgres://user:password@host:port/database',
  isPostgresUrl,
);
