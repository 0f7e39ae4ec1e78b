"""Selects Apache Kafka's test classes, and judges and writes down what came of them.

select ENTRY...      @LIST, CLASS or CLASS#METHOD to JSON: the classes, their methods left out, and why
options SELECTED     that JSON as lines for the shell: class, tab, options for JUnit's launcher
judge [--reference] REPORT
                     reads JUnit's reports, writes REPORT/results.json, prints what failed or was skipped; with
                     --reference stores the figures as Apache Kafka's own, otherwise compares with those
document REPORT NAME FILE
                     writes FILE, the page that tells per class what passed, failed and was skipped, and why
"""
import collections
import datetime
import glob
import json
import os
import re
import sys
import xml.etree.ElementTree as xml

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, 'apache-kafka.json')
LISTS = os.path.join(HERE, 'classes')


def read_list(name):
    entries = []
    with open(os.path.join(LISTS, name + '.txt')) as lines:
        for line in lines:
            text = line.strip()
            if not text or text.startswith('#'):
                continue
            if text.startswith('- '):
                method, _, why = text[2:].partition(':')
                entries[-1]['without'][method.strip()] = why.strip()
            else:
                entries.append({'class': text, 'only': '', 'without': {}})
    return entries


def select(arguments):
    entries = []
    for argument in arguments:
        if argument.startswith('@'):
            entries += read_list(argument[1:])
        else:
            name, _, method = argument.partition('#')
            entries.append({'class': name, 'only': method, 'without': {}})
    return entries


def options(entry):
    words = []
    if entry['only']:
        words.append('--include-methodname=.*#' + entry['only'])
    words += ['--exclude-methodname=.*#' + method for method in entry['without']]
    return entry['class'] + '\t' + ' '.join(words)


def case_result(case):
    """What became of one test: ('passed' | 'failed' | 'skipped' | 'other layout', why)."""
    for child in case:
        if child.tag in ('failure', 'error'):
            return 'failed', (child.get('message') or '').split('\n')[0][:200]
        if child.tag == 'skipped':
            text = ''.join(child.itertext())
            if 'layout not asked for' in text:
                return 'other layout', ''
            found = re.search(r'TestAbortedException: ([^\n]{0,160})', text)
            return 'skipped', found.group(1) if found else text.strip().split('\n')[0][:160]
    return 'passed', ''


def class_result(report, entry):
    name = entry['class']
    result = {'passed': 0, 'failed': {}, 'skipped': collections.Counter(), 'without': entry['without']}
    if entry['only']:
        result['only'] = entry['only']
    for file in glob.glob(os.path.join(report, name, 'TEST-junit-jupiter*.xml')):
        for case in xml.parse(file).getroot().iter('testcase'):
            kind, why = case_result(case)
            if kind == 'passed':
                result['passed'] += 1
            elif kind == 'failed':
                test = case.get('name')
                while test in result['failed']:
                    test += "'"
                result['failed'][test] = why
            elif kind == 'skipped':
                result['skipped'][why] += 1
    cut = os.path.join(report, name + '.cut')
    if os.path.exists(cut):
        result['failed']['(whole class)'] = open(cut).read().strip()
    result['seconds'] = int(open(os.path.join(report, name + '.seconds')).read())
    return result


def load(file):
    if not os.path.exists(file):
        return {}
    with open(file) as text:
        return json.load(text)


def store(file, value):
    with open(file, 'w') as out:
        json.dump(value, out, indent=2, sort_keys=True)
        out.write('\n')


def verdict(result, reference):
    """Why a class does not pass, or ''."""
    if result['failed']:
        return '%d failed' % len(result['failed'])
    if result['passed'] == 0:
        return 'nothing passed'
    if reference and not result.get('only') and result['passed'] < reference['passed']:
        return '%d passed, with Apache Kafka %d' % (result['passed'], reference['passed'])
    if not reference and not result.get('only'):
        return 'no figures of Apache Kafka to compare with: run apache-kafka first'
    return ''


def judge(arguments):
    recording = arguments[0] == '--reference'
    report = arguments[-1]
    results = {e['class']: class_result(report, e) for e in load(os.path.join(report, 'selected.json'))}
    store(os.path.join(report, 'results.json'), results)
    references = load(REFERENCE)
    if recording:
        references.update({n: {k: v for k, v in r.items() if k != 'seconds'} for n, r in results.items() if not r.get('only')})
        store(REFERENCE, references)
    passed = failed = skipped = 0
    for name, result in results.items():
        for test, why in result['failed'].items():
            print('FAILED  %s.%s | %s' % (name.split('.')[-1], test, why))
        for why, count in sorted(result['skipped'].items()):
            print('SKIPPED %s: %d | %s' % (name.split('.')[-1], count, why))
        wrong = verdict(result, references.get(name))
        print('%-8s%s: %d passed, %d failed, %d skipped in %d s%s' % ('NOT OK' if wrong else 'ok', name, result['passed'],
              len(result['failed']), sum(result['skipped'].values()), result['seconds'], ' (' + wrong + ')' if wrong else ''))
        passed += result['passed']
        failed += len(result['failed']) + (1 if wrong and not result['failed'] else 0)
        skipped += sum(result['skipped'].values())
    print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
    return 1 if failed or passed == 0 else 0


def figures(result):
    if not result:
        return ['', '', '']
    return [str(result['passed']), str(len(result['failed'])), str(sum(result['skipped'].values()))]


def notes(result):
    text = ['not run: `%s` (%s)' % (m, why) for m, why in result['without'].items()]
    text += ['skipped %d: %s' % (n, why) for why, n in sorted(result['skipped'].items())]
    text += ['failed: `%s`: %s' % (t, why.replace('|', '\\|')) for t, why in result['failed'].items()]
    return '; '.join(text)


def document(report, name, file):
    results = load(os.path.join(report, 'results.json'))
    references = load(REFERENCE)
    lines = [
        '# Compatibility with Apache Kafka', '',
        "Apache Kafka's own integration tests (release 4.3.1), run against %s as a separate process. The columns on the right" % name,
        'are the same tests in the same set-up against Apache Kafka itself. Skipped are tests that reach into the Java objects',
        "of a broker inside the test's own JVM, or that bring a Java plug-in for the broker; the reason names the method.",
        '', 'Written by `interop/kafka/compatibility` on %s; do not edit.' % datetime.date.today().isoformat(), '',
        '| class | passed | failed | skipped | Kafka passed | Kafka failed | Kafka skipped | notes |', '|---|--:|--:|--:|--:|--:|--:|---|']
    total = collections.Counter()
    for cls, result in results.items():
        total.update(passed=result['passed'], failed=len(result['failed']), skipped=sum(result['skipped'].values()))
        lines.append('| ' + ' | '.join(['`%s`' % cls] + figures(result) + figures(references.get(cls)) + [notes(result)]) + ' |')
    lines += ['', '%(passed)d passed, %(failed)d failed, %(skipped)d skipped.' % collections.defaultdict(int, total)]
    os.makedirs(os.path.dirname(os.path.abspath(file)), exist_ok=True)
    with open(file, 'w') as out:
        out.write('\n'.join(lines) + '\n')


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == 'select':
        json.dump(select(arguments), sys.stdout, indent=2)
    elif verb == 'options':
        print('\n'.join(options(entry) for entry in load(arguments[0])))
    elif verb == 'judge':
        return judge(arguments)
    elif verb == 'document':
        document(*arguments)
    else:
        sys.exit(__doc__)
    return 0


if __name__ == '__main__':
    sys.exit(main())
