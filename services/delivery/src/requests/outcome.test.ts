import { describe, expect, test } from '@jest/globals';
import { classOf, outcomeOfError, outcomeOfStatus } from './outcome.js';

describe('a status', () => {
  test.each([
    [200, 'Delivered'],
    [201, 'Delivered'],
    [202, 'Delivered'],
    [203, 'Delivered'],
    [204, 'Delivered'],
    [205, 'UnexpectedStatus'],
    [206, 'UnexpectedStatus'],
    [226, 'UnexpectedStatus'],
    [301, 'Redirected'],
    [302, 'Redirected'],
    [304, 'Redirected'],
    [308, 'Redirected'],
    [400, 'BadRequest'],
    [401, 'Unauthorized'],
    [402, 'UnexpectedStatus'],
    [403, 'Forbidden'],
    [404, 'NotFound'],
    [405, 'UnexpectedStatus'],
    [408, 'TimedOut'],
    [409, 'UnexpectedStatus'],
    [410, 'Gone'],
    [413, 'PayloadTooLarge'],
    [418, 'UnexpectedStatus'],
    [429, 'Busy'],
    [500, 'ServerError'],
    [501, 'ServerError'],
    [502, 'ServerError'],
    [503, 'Busy'],
    [504, 'ServerError'],
    [599, 'ServerError'],
    [600, 'UnexpectedStatus'],
    [999, 'UnexpectedStatus'],
  ])('%i is %s', (status, expected) => {
    expect(outcomeOfStatus(status)).toBe(expected);
  });
});

describe('an error', () => {
  test.each([
    ['ECONNREFUSED', 'SocketError'],
    ['ECONNRESET', 'SocketError'],
    ['EPIPE', 'SocketError'],
    ['EHOSTUNREACH', 'SocketError'],
    ['EMFILE', 'SocketError'],
    ['UND_ERR_SOCKET', 'SocketError'],
    ['UND_ERR_HEADERS_OVERFLOW', 'SocketError'],
    ['HPE_INVALID_CONSTANT', 'SocketError'],
    ['ETIMEDOUT', 'TimedOut'],
    ['UND_ERR_CONNECT_TIMEOUT', 'TimedOut'],
    ['ENOTFOUND', 'ResolutionError'],
    ['EAI_AGAIN', 'ResolutionError'],
    ['EAI_FAIL', 'ResolutionError'],
    ['ESERVFAIL', 'ResolutionError'],
    ['CERT_HAS_EXPIRED', 'TlsError'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TlsError'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'TlsError'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TlsError'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TlsError'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TlsError'],
    ['EPROTO', 'TlsError'],
    ['ERR_EGRESS_PROXY', 'SocketError'],
    [undefined, 'SocketError'],
  ])('with code %s is %s', (code, expected) => {
    expect(outcomeOfError(Object.assign(new Error('x'), code === undefined ? {} : { code }))).toBe(expected);
  });
});

test.each([
  ['Delivered', false, 'success'],
  ['TimedOut', false, 'timeout'],
  ['AddressNotAllowed', false, 'blocked'],
  ['ServerError', false, 'retryable'],
  ['Aborted', false, 'retryable'],
  ['BadRequest', true, 'permanent'],
  ['Gone', true, 'permanent'],
] as const)('%s (final: %s) counts as %s', (outcome, final, expected) => {
  expect(classOf(outcome, final)).toBe(expected);
});
