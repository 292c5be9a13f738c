/** Python's parsers, for what this program writes and others read: they know nothing of how it was written. */
import { execFileSync } from 'node:child_process';

/** An XML element as its parser sees it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const readXml = `
import json, sys, xml.etree.ElementTree as tree
def plain(e):
    return {"name": e.tag, "attributes": e.attrib, "text": e.text or "", "children": [plain(c) for c in e]}
print(json.dumps(plain(tree.fromstring(sys.stdin.buffer.read()))))`;

/** Every scalar is a string: YAML 1.1 would make a truth value of the key `on`. */
const readYaml = `
import json, sys, yaml
print(json.dumps(yaml.load(sys.stdin.buffer.read(), Loader=yaml.BaseLoader)))`;

export function parseXml(text: string): XmlElement {
  return run(readXml, text) as XmlElement;
}

const parsedYaml = new Map<string, unknown>();

/** The same document for the same text: Python takes longer to start than most tests take. */
export function parseYaml(text: string): unknown {
  if (!parsedYaml.has(text)) parsedYaml.set(text, run(readYaml, text));
  return parsedYaml.get(text);
}

function run(program: string, input: string): unknown {
  const output = execFileSync('python3', ['-c', program], { input, encoding: 'utf8' });
  return JSON.parse(output) as unknown;
}
