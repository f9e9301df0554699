/** How many topics and subscriptions there may be. What is there already stays when a limit is lowered. */
import { limits } from '@gridpost/model';

export interface ResourceLimits {
  /** Topics and domains of the deployment. */
  readonly topicsMax: number;
  /** Subscriptions of a topic, or of a domain with all its topics. */
  readonly subscriptionsPerTopicMax: number;
}

export const defaultResourceLimits: ResourceLimits = {
  topicsMax: limits.topicsMax.default,
  subscriptionsPerTopicMax: limits.subscriptionsPerTopicMax.default,
};
