import { describe, expect, test } from '@jest/globals';
import { decodeMembers, decodeText, minimal, pointersOf } from './testing/refusal.js';

describe('data', () => {
  test.each([
    [{ data: null }, 'json', 'null'],
    [{ data: { a: [1] } }, 'json', '{"a":[1]}'],
    [{ data: 'text' }, 'json', '"text"'],
    [{ data: 'text', datacontenttype: 'text/plain' }, 'json', '"text"'],
    [{ data: 5, datacontenttype: 'application/vnd.x+json' }, 'json', '5'],
    [{ data_base64: '' }, 'base64', ''],
    [{ data_base64: 'TWE=' }, 'base64', 'Ma'],
    [{ data_base64: 'TQ==' }, 'base64', 'M'],
    [{ data_base64: 'TWFu' }, 'base64', 'Man'],
    [{ data: 1, data_base64: null }, 'json', '1'],
    [{}, 'none', undefined],
  ])('%j', (members, kind, text) => {
    const event = decodeMembers(members);
    expect(event.dataKind).toBe(kind);
    expect(event.data?.toString()).toBe(text);
  });

  test.each([
    [{ data: 'text', data_base64: 'TWE=' }, ['/data_base64']],
    [{ data: null, data_base64: 'TWE=' }, ['/data_base64']],
    [{ data_base64: 1 }, ['/data_base64']],
    [{ data_base64: {} }, ['/data_base64']],
    [{ data_base64: 'TWE' }, ['/data_base64']],
    [{ data_base64: 'T===' }, ['/data_base64']],
    [{ data_base64: '====' }, ['/data_base64']],
    [{ data_base64: 'TW=h' }, ['/data_base64']],
    [{ data_base64: 'TWF-' }, ['/data_base64']],
    [{ data_base64: 'TWF_' }, ['/data_base64']],
    [{ data_base64: 'TWFu\n' }, ['/data_base64']],
    [{ data_base64: 'TW Fu' }, ['/data_base64']],
    [{ data_base64: 'TWFü' }, ['/data_base64']],
    [{ data: 5, datacontenttype: 'text/plain' }, ['/data']],
    [{ data: null, datacontenttype: 'application/xml' }, ['/data']],
    [{ data: {}, datacontenttype: 'application/octet-stream' }, ['/data']],
    [{ data: 'a\ud800', datacontenttype: 'text/plain' }, ['/data']],
  ])('is refused: %j', (members, expected) => {
    expect(pointersOf(() => decodeMembers(members))).toEqual(expected);
  });

  test('in base64 may be escaped as some serialisers do', () => {
    const text = JSON.stringify({ ...minimal, data_base64: '+/+/' }).replace('+/+/', '\\u002B\\/\\u002b/');
    const event = decodeText(text);
    expect(event.data).toEqual(Buffer.from('+/+/', 'base64'));
    expect(event.body.toString()).toBe(text);
    expect(pointersOf(() => decodeText(text.replace('\\/', '\\n')))).toEqual(['/data_base64']);
  });

  test('is judged by a content type that comes after it', () => {
    const text = `{"data":5,"datacontenttype":"text/plain",${JSON.stringify(minimal).slice(1)}`;
    expect(pointersOf(() => decodeText(text))).toEqual(['/data']);
  });

  test('keeps its bytes, whatever they mean', () => {
    const data = ' {"b":1e400, "a":12345678901234567890,"a":-0,"\\ud800":"\\u0041","__proto__":{"x":1.50}}';
    const text = `{ "data" :${data} ,${JSON.stringify(minimal).slice(1)}`;
    const event = decodeText(` \n${text}\t`);
    expect(event.data!.toString()).toBe(data.trim());
    expect(event.body.toString()).toBe(text);
  });
});
