import kafkajs, { type Assignment, type GroupMember, type PartitionAssigner } from 'kafkajs';

const { AssignerProtocol } = kafkajs;
const VERSION = 0;

/**
 * Kafka's range assignment, by what each member subscribes to. kafkajs's own assigner deals every topic to every
 * member, and under another name than other clients know: with this one, members of one group may read different
 * topics and be of different clients.
 */
export const subscribedRange: PartitionAssigner = ({ cluster }) => ({
  name: 'range',
  version: VERSION,
  protocol: ({ topics }) => ({
    name: 'range',
    metadata: AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics, userData: Buffer.alloc(0) }),
  }),
  assign: async ({ members }) => {
    // The leader may lead members that read topics it does not read itself, and knows nothing of those yet.
    await cluster.addMultipleTargetTopics(topicsOf(members));
    const ranges = assignRanges(members, (topic) =>
      cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId),
    );
    return ranges.map(({ memberId, assignment }) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: VERSION,
        assignment,
        userData: Buffer.alloc(0),
      }),
    }));
  },
});

function topicsOf(members: readonly Pick<GroupMember, 'memberMetadata'>[]): string[] {
  return [
    ...new Set(
      members.flatMap(({ memberMetadata }) => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? []),
    ),
  ];
}

/** Contiguous partitions of each topic to its subscribers, in the order of their ids. */
export function assignRanges(
  members: readonly Pick<GroupMember, 'memberId' | 'memberMetadata'>[],
  partitionsOf: (topic: string) => number[],
): { memberId: string; assignment: Assignment }[] {
  const subscribers = new Map<string, string[]>();
  for (const { memberId, memberMetadata } of members)
    for (const topic of AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [])
      subscribers.set(topic, [...(subscribers.get(topic) ?? []), memberId]);
  const result = new Map<string, Assignment>(members.map(({ memberId }) => [memberId, {}]));
  for (const [topic, ids] of subscribers) {
    const partitions = partitionsOf(topic).sort((a, b) => a - b);
    ids.sort();
    let from = 0;
    for (const [index, id] of ids.entries()) {
      const share = Math.floor(partitions.length / ids.length) + (index < partitions.length % ids.length ? 1 : 0);
      if (share > 0) result.get(id)![topic] = partitions.slice(from, from + share);
      from += share;
    }
  }
  return [...result].map(([memberId, assignment]) => ({ memberId, assignment }));
}
