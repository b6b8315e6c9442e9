/** What a client asks before it works: what the server can do, and who else there is (nobody). */
import { features, gossip, shared, streamsService } from "./generated.js";

/** The release whose behaviour this follows. Clients choose what to call by the methods below, not by this. */
const SERVER_VERSION = "24.10.0";

type Features = InstanceType<typeof features.SupportedMethods>;
type ClusterInfo = InstanceType<typeof gossip.ClusterInfo>;

/** Only the methods of `Streams` are announced; the clients then refuse the rest by themselves. */
export function supportedMethods(): Features {
  const response = new features.SupportedMethods().setEventStoreServerVersion(SERVER_VERSION);
  for (const { path } of Object.values(streamsService)) {
    const [, service = "", method = ""] = path.split("/");
    response.addMethods(
      new features.SupportedMethod().setServiceName(service.toLowerCase()).setMethodName(method.toLowerCase()),
    );
  }
  return response;
}

/**
 * A cluster of one, at the address by which the asking client has found us (`host:port`): no other is sure to be good for it,
 * through a container's mapped port for one.
 */
export function clusterOfOne(instanceId: string, authority: string): ClusterInfo {
  const colon = authority.lastIndexOf(":");
  const endPoint = new gossip.EndPoint()
    .setAddress(authority.slice(0, colon))
    .setPort(Number(authority.slice(colon + 1)));
  const self = new gossip.MemberInfo()
    .setInstanceId(new shared.UUID().setString(instanceId))
    .setTimeStamp(String(Date.now() * 10_000))
    .setState(gossip.MemberInfo.VNodeState.LEADER)
    .setIsAlive(true)
    .setHttpEndPoint(endPoint);
  return new gossip.ClusterInfo().setMembersList([self]);
}
