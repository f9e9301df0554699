/**
 * What an endpoint for CloudEvents takes, by the kind of topic it is in Event Grid. `namespaceTopic`: what the HTTP
 * binding allows. `customTopic`, domains included: a batch has at least one event, an event in binary mode has data, and
 * that is JSON; on the other hand `time` may lack its offset.
 */
export type RequestRules = 'namespaceTopic' | 'customTopic';
