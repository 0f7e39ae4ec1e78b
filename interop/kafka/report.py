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
    return once(entries)


def once(entries):
    """Each class (or method asked for) once; of a class in several lists is left out what each of them leaves out."""
    found = {}
    for entry in entries:
        known = found.setdefault((entry['class'], entry['only']), entry)
        known['without'] = {method: why for method, why in known['without'].items() if method in entry['without']}
    return list(found.values())


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
            cause = re.search(r'^Caused by: [\w.]*?(\w+: [^\n]{0,160})', text, re.M)
            why = found.group(1) if found else text.strip().split('\n')[0][:160]
            return 'skipped', why + (' (%s)' % cause.group(1) if cause else '')
    return 'passed', ''


def layout_of(case):
    """The layout a test's cluster has, from the name it was given; '' for a test without a cluster."""
    for output in case.iter('system-out'):
        found = re.search(r'^display-name: .*\] (combined|isolated)\b', output.text or '', re.M)
        if found:
            return found.group(1)
    return ''


def class_result(report, entry):
    """The class's tests as METHOD -> LAYOUT -> {passed: count, failed: [why], skipped: [why]}."""
    tests = {}
    for file in glob.glob(os.path.join(report, entry['class'], 'TEST-junit-jupiter*.xml')):
        for case in xml.parse(file).getroot().iter('testcase'):
            kind, why = case_result(case)
            if kind == 'other layout':
                continue
            method = re.match(r'\w+', case.get('name')).group()
            counts = tests.setdefault(method, {}).setdefault(layout_of(case), {})
            if kind == 'passed':
                counts['passed'] = counts.get('passed', 0) + 1
            else:
                counts.setdefault(kind, []).append(why)
    result = {'tests': tests, 'only': entry['only'], 'without': entry['without']}
    cut = os.path.join(report, entry['class'] + '.cut')
    if os.path.exists(cut):
        tests['(whole class)'] = {'': {'failed': [open(cut).read().strip()]}}
    result['seconds'] = int(open(os.path.join(report, entry['class'] + '.seconds')).read())
    return result


def unexcused(result, reference):
    """Counts what was skipped as failed where Apache Kafka passes more in the same set-up: what the test asks for is there."""
    for method, layout, counts in outcomes(result):
        lacking = reference.get(method, {}).get(layout, {}).get('passed', 0) - counts.get('passed', 0)
        excused = counts.get('skipped', [])
        if lacking <= 0 or not excused:
            continue
        counts.setdefault('failed', []).extend('passes with Apache Kafka: ' + why for why in excused[:lacking])
        counts['skipped'] = excused[lacking:]
        if not counts['skipped']:
            del counts['skipped']
    return result


def outcomes(result):
    """(METHOD, LAYOUT, counts) of each test that ran."""
    for method, layouts in sorted(result['tests'].items()):
        for layout, counts in sorted(layouts.items()):
            yield method, layout, counts


def totals(result):
    total = collections.Counter(passed=0, failed=0, skipped=0)
    for _, _, counts in outcomes(result):
        total.update(passed=counts.get('passed', 0), failed=len(counts.get('failed', [])), skipped=len(counts.get('skipped', [])))
    return total


def beside(result, reference):
    """Apache Kafka's figures for the same methods in the same layouts."""
    same = {m: {l: reference[m][l] for l in layouts if l in reference.get(m, {})} for m, layouts in result['tests'].items()}
    return {'tests': same}


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
    total = totals(result)
    if total['failed']:
        return '%d failed' % total['failed']
    if total['passed'] == 0:
        return 'nothing passed'
    for method, layout, counts in outcomes(result):
        known = reference.get(method, {}).get(layout)
        if known is None:
            return 'no figures of Apache Kafka for %s %s: run apache-kafka first' % (method, layout)
        if counts.get('passed', 0) < known.get('passed', 0):
            return '%s %s: %d passed, with Apache Kafka %d' % (method, layout, counts.get('passed', 0), known['passed'])
    return ''


def record(references, results):
    """Takes what ran as Apache Kafka's own figures; what did not run keeps the figures it has."""
    for name, result in results.items():
        for method, layouts in result['tests'].items():
            references.setdefault(name, {}).setdefault(method, {}).update(layouts)
    store(REFERENCE, references)


def judge(arguments):
    recording = arguments[0] == '--reference'
    report = arguments[-1]
    results = {e['class']: class_result(report, e) for e in load(os.path.join(report, 'selected.json'))}
    references = load(REFERENCE)
    if recording:
        record(references, results)
    else:
        results = {name: unexcused(result, references.get(name, {})) for name, result in results.items()}
    store(os.path.join(report, 'results.json'), results)
    sum_of = collections.Counter()
    for name, result in results.items():
        for method, layout, counts in outcomes(result):
            for why in counts.get('failed', []):
                print('FAILED  %s.%s %s | %s' % (name.split('.')[-1], method, layout, why))
            for why in counts.get('skipped', []):
                print('SKIPPED %s.%s %s | %s' % (name.split('.')[-1], method, layout, why))
        total = totals(result)
        wrong = '' if recording else verdict(result, references.get(name, {}))
        print('%-8s%s: %d passed, %d failed, %d skipped in %d s%s' % ('NOT OK' if wrong else 'ok', name, total['passed'],
              total['failed'], total['skipped'], result['seconds'], ' (' + wrong + ')' if wrong else ''))
        if wrong and not total['failed']:
            total['failed'] = 1
        sum_of.update(total)
    print('%d passed, %d failed, %d skipped' % (sum_of['passed'], sum_of['failed'], sum_of['skipped']))
    return 1 if sum_of['failed'] or sum_of['passed'] == 0 else 0


def cell(ours, kafka):
    """A figure, with Apache Kafka's behind it where it differs or is not known."""
    if kafka is None:
        return '%d (?)' % ours
    return str(ours) if ours == kafka else '%d (%d)' % (ours, kafka)


def reasons(result, kind):
    """WHY -> the methods it concerns, in order."""
    found = collections.OrderedDict()
    for method, _, counts in outcomes(result):
        for why in counts.get(kind, []):
            methods = found.setdefault(why, [])
            if method not in methods:
                methods.append(method)
    return found


def paragraph(title, found):
    """Lines that give each reason once, with the methods it concerns."""
    return ['- %s: %s: %s' % (title, why.replace('|', '\\|'), ', '.join('`%s`' % m for m in methods)) for why, methods in found.items()]


def details(result, kafka):
    left_out = collections.OrderedDict()
    for method, why in result['without'].items():
        left_out.setdefault(why, []).append(method)
    lines = paragraph('failed', reasons(result, 'failed')) + paragraph('left out', left_out)
    same = reasons(kafka, 'failed')
    lines += paragraph('fails with Apache Kafka too', same)
    return lines + paragraph('skipped', reasons(result, 'skipped'))


def document(report, name, file):
    results = load(os.path.join(report, 'results.json'))
    references = load(REFERENCE)
    total = collections.Counter()
    rows, notes = [], []
    for cls, result in results.items():
        ours, kafka = totals(result), beside(result, references.get(cls, {}))
        theirs = totals(kafka) if kafka['tests'] == {m: {l: kafka['tests'][m].get(l) for l in ls} for m, ls in result['tests'].items()} else {}
        total.update(ours)
        package, short = cls.rsplit('.', 1)
        rows.append('| %s | %s | %s | %s | %s |' % (short, cell(ours['passed'], theirs.get('passed')), cell(ours['failed'], theirs.get('failed')),
                    cell(ours['skipped'], theirs.get('skipped')), len(result['without']) or ''))
        more = details(result, kafka)
        if more:
            notes += ['', '### %s' % short, '', '`%s`' % cls, ''] + more
    lines = [
        '# Compatibility with Apache Kafka', '',
        "Apache Kafka's own integration tests (release 4.3.1) against %s, which runs as processes of its own: %d passed, %d failed, %d skipped."
        % (name, total['passed'], total['failed'], total['skipped']), '',
        'The same tests in the same set-up also ran against Apache Kafka itself. Where its figure differs, it follows in brackets; (?) has not been measured.',
        'A test with a cluster counts once for each layout it ran in: controllers inside the brokers, or apart from them.', '',
        '- *Skipped*: the test reaches into Java objects of a broker in its own JVM, or brings a Java plug-in for the broker.',
        '- *Left out*: methods that need what %s does not have yet; each is named below, and in no other column.' % name, '',
        '| class | passed | failed | skipped | left out |', '|---|--:|--:|--:|--:|'] + rows
    if notes:
        lines += ['', '## What failed, was left out or skipped'] + notes
    lines += ['', 'Written by `interop/kafka/compatibility` on %s; do not edit.' % datetime.date.today().isoformat()]
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
