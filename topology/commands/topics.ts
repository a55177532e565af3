import { Command } from 'commander';
import { refuseEmbedded } from '../embedded/kafka.js';
import { connectionOf } from '../kafka/connection.js';
import { probeCluster } from '../kafka/probe.js';
import { createTopics } from '../kafka/topics-admin.js';
import {
  configurable,
  configurationOf,
  tellerOf,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';

export function topicsCommand(context: CommandContext): Command {
  const command = new Command('topics');
  command.addCommand(
    configurable(new Command('create'))
      .description('create the topics that are missing, with their policies; existing ones are left as they are')
      .option('--json', 'print {topic, created} as JSON')
      .action(async (options: ConfigurationOptions & { json?: boolean }) => {
        const config = configurationOf(context, options);
        const connection = connectionOf(config);
        refuseEmbedded(await probeCluster(connection, tellerOf(context)), connection.brokers);
        const results = await createTopics(connection, config.kafka.partitions, config.kafka.replicationFactor);
        if (options.json) writeLine(context.stdout, JSON.stringify(results));
        else
          for (const { topic, created } of results)
            writeLine(context.stdout, `${created ? 'created' : 'exists '}  ${topic}`);
      }),
  );
  return command;
}
