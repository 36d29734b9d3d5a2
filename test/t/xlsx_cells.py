# The cells of a workbook, read with nothing but the standard library, one a line: sheet, cell, type, value.
# The type is that of the file, or the number format that the cell has.

import sys
import zipfile
import xml.etree.ElementTree as ElementTree

MAIN = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
RELATION = '{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id'

with zipfile.ZipFile(sys.argv[1]) as book:
    assert book.testzip() is None
    parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist()}

targets = {relation.get('Id'): 'xl/' + relation.get('Target') for relation in parts['xl/_rels/workbook.xml.rels']}
styles = parts['xl/styles.xml']
formats = {f.get('numFmtId'): f.get('formatCode') for f in styles.iter(MAIN + 'numFmt')}
formats['1'] = '0'
cell_formats = [formats.get(xf.get('numFmtId'), 'number') for xf in styles.find(MAIN + 'cellXfs')]

for sheet in parts['xl/workbook.xml'].iter(MAIN + 'sheet'):
    name = sheet.get('name')
    part = parts[targets[sheet.get(RELATION)]]
    for pane in part.iter(MAIN + 'pane'):
        print(name, 'frozen', pane.get('topLeftCell'), sep='|')
    for area in part.iter(MAIN + 'autoFilter'):
        print(name, 'filtered', area.get('ref'), sep='|')
    for cell in part.iter(MAIN + 'c'):
        assert cell.find(MAIN + 'f') is None, 'a formula'
        kind = {'inlineStr': 'text', 'b': 'boolean'}.get(cell.get('t')) or cell_formats[int(cell.get('s', 0))]
        value = cell.findtext(MAIN + 'v') if kind != 'text' else cell.findtext(f'{MAIN}is/{MAIN}t')
        print(name, cell.get('r'), kind, value, sep='|')
