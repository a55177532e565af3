import type { FastifyInstance } from 'fastify';
import { ActuaryError, messageOf } from '../schema/errors.js';

/**
 * Starts listening.
 * @param port 0: any free one
 * @returns the URL it answers at
 * @throws ActuaryError port_in_use, or config_invalid where the address cannot be listened on
 */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'EADDRINUSE')
      throw new ActuaryError('port_in_use', `port ${port} of ${host} is taken: set http.port to another, or to 0`, {
        cause: error,
      });
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new ActuaryError(
        'config_invalid',
        `http.host, http.port: cannot listen on ${host}:${port}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    throw error;
  }
}
