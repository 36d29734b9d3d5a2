# The cells of a workbook, read with nothing but the standard library, one a line: sheet, cell, type, value.
# The type is that of the file, or the number format that the cell has. Before them, what is said of the sheet.

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


# What is seen of a format: bold, colour of the background, line below.
def look(number):
    xf = styles.find(MAIN + 'cellXfs')[number]
    font, fill, border = (styles.find(MAIN + part)[int(xf.get(key))] for part, key in (('fonts', 'fontId'), ('fills', 'fillId'), ('borders', 'borderId')))
    colour = fill.find(f'{MAIN}patternFill/{MAIN}fgColor')
    return ['bold' if font.find(MAIN + 'b') is not None else '', colour.get('rgb') if colour is not None else '', border.find(MAIN + 'bottom').get('style', '')]


for sheet in parts['xl/workbook.xml'].iter(MAIN + 'sheet'):
    name = sheet.get('name')
    part = parts[targets[sheet.get(RELATION)]]
    for pane in part.iter(MAIN + 'pane'):
        print(name, 'frozen', pane.get('topLeftCell'), sep='|')
    for area in part.iter(MAIN + 'autoFilter'):
        print(name, 'filtered', area.get('ref'), sep='|')
    for header in sorted({' '.join(look(int(cell.get('s', 0)))) for cell in part.find(f'{MAIN}sheetData/{MAIN}row')}):
        print(name, 'header', header, sep='|')
    columns = [int(float(column.get('width'))) for column in part.iter(MAIN + 'col') for _ in range(int(column.get('min')), int(column.get('max')) + 1)]
    print(name, 'widths', ' '.join(map(str, columns)), sep='|')
    for cell in part.iter(MAIN + 'c'):
        assert cell.find(MAIN + 'f') is None, 'a formula'
        kind = {'inlineStr': 'text', 'b': 'boolean'}.get(cell.get('t')) or cell_formats[int(cell.get('s', 0))]
        value = cell.findtext(MAIN + 'v') if kind != 'text' else cell.findtext(f'{MAIN}is/{MAIN}t')
        print(name, cell.get('r'), kind, value, sep='|')
