/*-------------------------------------------------------------------------
 *
 * xlsx.c
 *		Workbooks for spreadsheet programs (Office Open XML), from queries.
 *
 * to_xlsx() runs each query as its caller, read-only and in the snapshot of the
 * statement that calls it, and hands every row to libxlsxwriter as it comes.
 * So memory does not grow with the result: the library appends finished rows to
 * a temporary file for each sheet, which it has unlinked, and zips them into
 * one that belongs to the resource owner.  What the library itself holds is
 * malloc'ed, and its files are no virtual file descriptors: an error on the way
 * gives both back in discard_book().
 *
 * A value becomes the cell that a spreadsheet calculates with: numbers, dates,
 * times, durations and booleans keep their type, NULL is an empty cell, all else
 * is text.  Text is always a string cell and never a formula, whatever it
 * begins with.  What a spreadsheet would alter is text too: integers of more
 * than 15 digits, NaN and infinities, dates before March 1900 (which spreadsheet
 * programs count differently) or after 9999, intervals that have months or are
 * negative.  Other numbers keep their first 15 significant digits: as text they
 * would silently be missing from every sum.
 *
 * libxlsxwriter is optional: without it to_xlsx() says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"

PG_FUNCTION_INFO_V1(to_xlsx);

#ifdef HAVE_XLSXWRITER

#include <xlsxwriter.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Days are counted from 1899-12-30; from 1900-03-01 on, programs agree. */
#define SERIAL_OF_2000			36526
#define FIRST_SERIAL			61
#define END_OF_SERIALS			2958466

/* Digits of a number that every spreadsheet program keeps. */
#define CELL_DIGITS				15

/* Characters (UTF-16 code units) that a cell holds. */
#define CELL_CHARACTERS			32767

/* Characters between which the width of a column is fitted to its content. */
#define LEAST_WIDTH				9
#define MOST_WIDTH				60

/* Beside a sheet's own: the workbook and the part of it that is being zipped. */
#define WORKBOOK_FILES			2

/* Rows between two looks at the size of a sheet's temporary file. */
#define ROWS_PER_FILE_CHECK		1000

typedef enum XlsxFormat
{
	XLSX_GENERAL,
	XLSX_HEADER,
	XLSX_INTEGER,
	XLSX_DATE,
	XLSX_TIMESTAMP,
	XLSX_TIME,
	XLSX_INTERVAL,
	XLSX_FORMATS
} XlsxFormat;

/* A workbook that is being written.  workbook is NULL once it is closed. */
typedef struct XlsxBook
{
	lxw_workbook *workbook;
	lxw_format *formats[XLSX_FORMATS];
	File		file;
	text	   *time_zone;		/* in which timestamptz is shown */
	int			reserved_files;
} XlsxBook;

typedef struct XlsxColumn
{
	const char *name;
	Oid			base_type;
	FmgrInfo	output;
	uint32		width;			/* of the widest cell so far, in characters */
} XlsxColumn;

/* The receiver of a query's rows: they become those of a sheet. */
typedef struct XlsxSheet
{
	DestReceiver receiver;		/* must be first */
	XlsxBook   *book;
	const char *name;
	lxw_worksheet *worksheet;
	int			column_count;
	XlsxColumn *columns;		/* NULL until the query has begun */
	lxw_row_t	row;			/* the last one written; the header is row 0 */
	MemoryContext row_context;
} XlsxSheet;

/* ----------------------------------------------------------------
 * Cells
 * ----------------------------------------------------------------
 */

/* Does an escape of the file format (_x0041_) begin here? */
static bool
is_escape(const char *string)
{
	return string[0] == '_' && string[1] == 'x' &&
		isxdigit((unsigned char) string[2]) && isxdigit((unsigned char) string[3]) &&
		isxdigit((unsigned char) string[4]) && isxdigit((unsigned char) string[5]) &&
		string[6] == '_';
}

/* Is this U+FFFE or U+FFFF, which XML has no way to write? */
static bool
is_noncharacter(const char *string)
{
	return string[0] == '\xEF' && string[1] == '\xBF' &&
		(string[2] == '\xBE' || string[2] == '\xBF');
}

/*
 * A string as the file format wants it, in UTF-8, and the number of its
 * characters.  The library escapes control characters and markup, but not what
 * already looks like an escape.
 */
static const char *
cell_string(const char *string, uint32 *characters)
{
	StringInfoData copy;
	bool		is_plain = true;

	string = pg_server_to_any(string, strlen(string), PG_UTF8);
	*characters = 0;
	for (const char *p = string; *p != '\0'; p++)
	{
		/* Beyond the 16-bit plane a character is a pair of surrogates. */
		if (!IS_HIGHBIT_SET(*p) || (*p & 0xC0) == 0xC0)
			*characters += ((*p & 0xF8) == 0xF0) ? 2 : 1;
		if (is_escape(p) || is_noncharacter(p))
			is_plain = false;
	}
	if (is_plain)
		return string;

	initStringInfo(&copy);
	for (const char *p = string; *p != '\0'; p++)
	{
		if (is_escape(p))
			appendStringInfoString(&copy, "_x005F_");
		else if (is_noncharacter(p))
		{
			appendStringInfoString(&copy, "\xEF\xBF\xBD");
			p += 2;
		}
		else
			appendStringInfoChar(&copy, *p);
	}
	return copy.data;
}

static void
write_string(XlsxSheet *sheet, int column_number, const char *string)
{
	XlsxColumn *column = &sheet->columns[column_number];
	uint32		characters;

	string = cell_string(string, &characters);
	if (characters > CELL_CHARACTERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("text is too long for a cell of a spreadsheet"),
				 errdetail("Column \"%s\" has %u characters in row %u, and a cell holds %d.",
						   column->name, characters, sheet->row, CELL_CHARACTERS),
				 errhint("Select left(%s, %d), or export it as CSV.",
						 quote_identifier(column->name), CELL_CHARACTERS)));
	column->width = Max(column->width, characters);
	worksheet_write_string(sheet->worksheet, sheet->row, column_number, string, NULL);
}

static void
write_number(XlsxSheet *sheet, int column_number, double value, XlsxFormat format, uint32 width)
{
	XlsxColumn *column = &sheet->columns[column_number];

	column->width = Max(column->width, width);
	worksheet_write_number(sheet->worksheet, sheet->row, column_number, value,
						   sheet->book->formats[format]);
}

/*
 * A number from its decimal text, false if a spreadsheet has none like it.
 */
static bool
write_decimal(XlsxSheet *sheet, int column_number, const char *decimal)
{
	const char *digits = decimal + (*decimal == '-');
	size_t		length = strlen(digits);
	bool		is_integer = strspn(digits, "0123456789") == length;
	double		value = strtod(decimal, NULL);

	if (!isfinite(value) || (is_integer && length > CELL_DIGITS))
		return false;
	write_number(sheet, column_number, value, is_integer ? XLSX_INTEGER : XLSX_GENERAL,
				 Min(strlen(decimal), CELL_DIGITS + 2));
	return true;
}

/* A number of microseconds, and of days since 2000, as a day of the calendar. */
static bool
write_serial(XlsxSheet *sheet, int column_number, int64 days, int64 microseconds,
			 XlsxFormat format, uint32 width)
{
	double		serial = (double) days + SERIAL_OF_2000 + (double) microseconds / USECS_PER_DAY;

	if (serial < FIRST_SERIAL || serial >= END_OF_SERIALS)
		return false;
	write_number(sheet, column_number, serial, format, width);
	return true;
}

static bool
write_timestamp(XlsxSheet *sheet, int column_number, Timestamp timestamp)
{
	/* Infinity lies beyond the last day and needs no test of its own. */
	return write_serial(sheet, column_number, 0, timestamp, XLSX_TIMESTAMP,
						strlen("2000-01-01 00:00:00"));
}

static bool
write_interval(XlsxSheet *sheet, int column_number, const Interval *interval)
{
	double		days = interval->day + (double) interval->time / USECS_PER_DAY;

	if (interval->month != 0 || days < 0)
		return false;
	write_number(sheet, column_number, days, XLSX_INTERVAL, strlen("100:00:00"));
	return true;
}

/* Write a value as its type, false if it must be text. */
static bool
write_typed(XlsxSheet *sheet, int column_number, Datum value)
{
	XlsxColumn *column = &sheet->columns[column_number];

	switch (column->base_type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return write_decimal(sheet, column_number, OutputFunctionCall(&column->output, value));
		case BOOLOID:
			worksheet_write_boolean(sheet->worksheet, sheet->row, column_number,
									DatumGetBool(value), NULL);
			return true;
		case DATEOID:
			return write_serial(sheet, column_number, DatumGetDateADT(value), 0, XLSX_DATE,
								strlen("2000-01-01"));
		case TIMESTAMPOID:
			return write_timestamp(sheet, column_number, DatumGetTimestamp(value));
		case TIMESTAMPTZOID:
			value = DirectFunctionCall2(timestamptz_zone,
										PointerGetDatum(sheet->book->time_zone), value);
			return write_timestamp(sheet, column_number, DatumGetTimestamp(value));
		case TIMEOID:
			write_number(sheet, column_number, (double) DatumGetTimeADT(value) / USECS_PER_DAY,
						 XLSX_TIME, strlen("00:00:00"));
			return true;
		case INTERVALOID:
			return write_interval(sheet, column_number, DatumGetIntervalP(value));
		default:
			return false;
	}
}

/* ----------------------------------------------------------------
 * Sheets
 * ----------------------------------------------------------------
 */

/*
 * The library does not look whether it could write a row, and its files are
 * unknown to fd.c.
 */
static void
check_sheet_file(XlsxSheet *sheet)
{
	FILE	   *file = sheet->worksheet->optimize_tmpfile;

	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write the temporary file of a sheet: %m")));
	if (temp_file_limit >= 0 && ftello(file) > (off_t) temp_file_limit * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("temporary file size exceeds temp_file_limit (%dkB)", temp_file_limit)));
}

/* The query begins: its columns make the header. */
static void
sheet_startup(DestReceiver *self, int operation, TupleDesc tuple_desc)
{
	XlsxSheet  *sheet = (XlsxSheet *) self;

	if (sheet->columns != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a sheet has more than one query")));
	if (tuple_desc->natts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query of a sheet has no columns")));

	sheet->column_count = tuple_desc->natts;
	sheet->columns = palloc0_array(XlsxColumn, tuple_desc->natts);
	for (int i = 0; i < tuple_desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tuple_desc, i);
		XlsxColumn *column = &sheet->columns[i];
		const char *header;
		uint32		characters;
		Oid			output;
		bool		is_varlena;

		column->name = pstrdup(NameStr(attribute->attname));
		column->base_type = getBaseType(attribute->atttypid);
		getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
		fmgr_info(output, &column->output);

		header = cell_string(column->name, &characters);
		/* beside the button of the filter */
		column->width = Max(characters + 3, LEAST_WIDTH);
		worksheet_write_string(sheet->worksheet, 0, i, header, sheet->book->formats[XLSX_HEADER]);
	}
	worksheet_freeze_panes(sheet->worksheet, 1, 0);
}

static bool
sheet_receive(TupleTableSlot *slot, DestReceiver *self)
{
	XlsxSheet  *sheet = (XlsxSheet *) self;
	MemoryContext old_context = MemoryContextSwitchTo(sheet->row_context);

	CHECK_FOR_INTERRUPTS();
	if (++sheet->row >= LXW_ROW_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows for a sheet"),
				 errdetail("A sheet holds %d rows below its header.", LXW_ROW_MAX - 1),
				 errhint("Divide them among several sheets, or export them as CSV.")));

	slot_getallattrs(slot);
	for (int i = 0; i < sheet->column_count; i++)
	{
		Datum		value = slot->tts_values[i];

		if (!slot->tts_isnull[i] && !write_typed(sheet, i, value))
			write_string(sheet, i, OutputFunctionCall(&sheet->columns[i].output, value));
	}
	if (sheet->row % ROWS_PER_FILE_CHECK == 0)
		check_sheet_file(sheet);

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(sheet->row_context);
	return true;
}

/* The query has ended: what can be said only now. */
static void
sheet_shutdown(DestReceiver *self)
{
	XlsxSheet  *sheet = (XlsxSheet *) self;

	for (int i = 0; i < sheet->column_count; i++)
		worksheet_set_column(sheet->worksheet, i, i,
							 Min(sheet->columns[i].width + 1, MOST_WIDTH), NULL);
	worksheet_autofilter(sheet->worksheet, 0, 0, sheet->row, sheet->column_count - 1);
	check_sheet_file(sheet);
}

static void
sheet_destroy(DestReceiver *self)
{
	/* It lives as long as the function call. */
}

static void
sheet_error_context(void *sheet)
{
	errcontext("sheet \"%s\"", ((XlsxSheet *) sheet)->name);
}

static void
reserve_files(XlsxBook *book, int count)
{
	for (; count > 0; count--)
	{
		if (!AcquireExternalFD())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("too many open files for another sheet"),
					 errhint("Make fewer sheets, or raise max_files_per_process.")));
		book->reserved_files++;
	}
}

static lxw_worksheet *
add_worksheet(XlsxBook *book, const char *name)
{
	uint32		characters;
	const char *cell_name = cell_string(name, &characters);
	const char *complaint = NULL;
	lxw_error	error = workbook_validate_sheet_name(book->workbook, cell_name);
	lxw_worksheet *worksheet;

	if (characters == 0)
		complaint = "A name has one character at least.";
	else if (characters > LXW_SHEETNAME_MAX)
		complaint = "A name has at most 31 characters.";
	else if (pg_strcasecmp(name, "history") == 0)
		complaint = "Spreadsheet programs keep the name \"History\" for themselves.";
	else if (error == LXW_ERROR_SHEETNAME_ALREADY_USED)
		complaint = "Another sheet has it, though perhaps in other letter case.";
	else if (error == LXW_ERROR_SHEETNAME_START_END_APOSTROPHE)
		complaint = "A name does not begin or end with an apostrophe.";
	else if (error != LXW_NO_ERROR)
		complaint = "A name has none of the characters [ ] : * ? / \\.";
	for (const char *p = name; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ')
			complaint = "A name has no control characters.";
	}
	if (complaint != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name of a sheet: \"%s\"", name),
				 errdetail("%s", complaint)));

	reserve_files(book, 1);
	worksheet = workbook_add_worksheet(book->workbook, cell_name);
	if (worksheet == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create the temporary file of a sheet: %m")));
	return worksheet;
}

static void
write_sheet(XlsxBook *book, const char *name, const char *query)
{
	SPIExecuteOptions options = {0};
	ErrorContextCallback error_context;
	XlsxSheet	sheet = {0};

	sheet.receiver.receiveSlot = sheet_receive;
	sheet.receiver.rStartup = sheet_startup;
	sheet.receiver.rShutdown = sheet_shutdown;
	sheet.receiver.rDestroy = sheet_destroy;
	sheet.receiver.mydest = DestNone;
	sheet.book = book;
	sheet.name = name;
	sheet.worksheet = add_worksheet(book, name);
	sheet.row_context = AllocSetContextCreate(CurrentMemoryContext, "row of a sheet",
											  ALLOCSET_DEFAULT_SIZES);

	error_context.callback = sheet_error_context;
	error_context.arg = &sheet;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;

	options.read_only = true;
	options.must_return_tuples = true;
	options.dest = &sheet.receiver;
	SPI_execute_extended(query, &options);

	error_context_stack = error_context.previous;
}

/* ----------------------------------------------------------------
 * The workbook
 * ----------------------------------------------------------------
 */

static void
open_book(XlsxBook *book)
{
	/* Relative to the data directory, which is where a backend works. */
	char	   *path = FilePathName(book->file);
	char	   *directory = pstrdup(path);
	lxw_workbook_options options = {.constant_memory = LXW_TRUE,.tmpdir = directory};
	lxw_doc_properties properties = {0};

	get_parent_directory(directory);
	reserve_files(book, WORKBOOK_FILES);
	book->workbook = workbook_new_opt(path, &options);
	if (book->workbook == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));

	properties.comments = psprintf("Times are those of %s.", text_to_cstring(book->time_zone));
	properties.created = timestamptz_to_time_t(GetCurrentTransactionStartTimestamp());
	workbook_set_properties(book->workbook, &properties);

	for (int i = XLSX_HEADER; i < XLSX_FORMATS; i++)
		book->formats[i] = workbook_add_format(book->workbook);
	format_set_bold(book->formats[XLSX_HEADER]);
	format_set_bottom(book->formats[XLSX_HEADER], LXW_BORDER_THIN);
	format_set_bg_color(book->formats[XLSX_HEADER], 0xEDEFF2);
	format_set_num_format(book->formats[XLSX_INTEGER], "0");
	format_set_num_format(book->formats[XLSX_DATE], "yyyy-mm-dd");
	format_set_num_format(book->formats[XLSX_TIMESTAMP], "yyyy-mm-dd hh:mm:ss");
	format_set_num_format(book->formats[XLSX_TIME], "hh:mm:ss");
	format_set_num_format(book->formats[XLSX_INTERVAL], "[h]:mm:ss");
}

static void
release_files(XlsxBook *book)
{
	for (; book->reserved_files > 0; book->reserved_files--)
		ReleaseExternalFD();
}

/*
 * Give back what the library holds, after an error.  It closes the files of
 * sheets only when it writes the workbook.
 */
static void
discard_book(XlsxBook *book)
{
	lxw_sheet  *sheet;

	if (book->workbook != NULL)
	{
		STAILQ_FOREACH(sheet, book->workbook->sheets, list_pointers)
			fclose(sheet->u.worksheet->optimize_tmpfile);
		lxw_workbook_free(book->workbook);
	}
	release_files(book);
}

/* Zip the sheets.  The library is done with the book, whatever comes of it. */
static void
close_book(XlsxBook *book)
{
	lxw_workbook *workbook = book->workbook;
	lxw_error	error;

	book->workbook = NULL;
	error = workbook_close(workbook);
	if (error != LXW_NO_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("could not write the workbook"),
				 errdetail("%s", lxw_strerror(error))));
	release_files(book);
}

static bytea *
read_file(File file)
{
	off_t		size = FileSize(file);
	off_t		offset = 0;
	bytea	   *content;

	if (size < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read \"%s\": %m", FilePathName(file))));
	if (size > (off_t) MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the workbook is too large for a value of type %s", "bytea"),
				 errdetail("It has %lld bytes.", (long long) size)));

	content = palloc(size + VARHDRSZ);
	SET_VARSIZE(content, size + VARHDRSZ);
	while (offset < size)
	{
		int			count = FileRead(file, VARDATA(content) + offset, size - offset, offset,
									 WAIT_EVENT_BUFFILE_READ);

		if (count <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read \"%s\": %m", FilePathName(file))));
		offset += count;
	}
	return content;
}

/* The pairs of name and query. */
static Datum *
sheet_pairs(ArrayType *sheets, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	int			element_count;

	deconstruct_array(sheets, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &element_count);
	if (ARR_NDIM(sheets) != 2 || ARR_DIMS(sheets)[1] != 2 || array_contains_nulls(sheets))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sheets are not pairs of a name and a query"),
				 errhint("For example ARRAY[['Numbers', 'SELECT * FROM generate_series(1, 10)']].")));
	*count = element_count / 2;
	return elements;
}

/*
 * to_xlsx(sheets text[], time_zone text) returns bytea
 */
Datum
to_xlsx(PG_FUNCTION_ARGS)
{
	int			count;
	Datum	   *pairs = sheet_pairs(PG_GETARG_ARRAYTYPE_P(0), &count);
	XlsxBook	book = {.time_zone = PG_GETARG_TEXT_PP(1)};
	bool		was_read_only = XactReadOnly;
	bytea	   *content;

	/* A zone that does not exist is an error also where no time is shown. */
	DirectFunctionCall2(timestamptz_zone, PointerGetDatum(book.time_zone),
						TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));

	book.file = OpenTemporaryFile(false);
	PG_TRY();
	{
		open_book(&book);
		SPI_connect();
		/* Not even a volatile function shall write; an abort resets it too. */
		XactReadOnly = true;
		for (int i = 0; i < count; i++)
			write_sheet(&book, TextDatumGetCString(pairs[2 * i]),
						TextDatumGetCString(pairs[2 * i + 1]));
		XactReadOnly = was_read_only;
		SPI_finish();
		close_book(&book);
	}
	PG_CATCH();
	{
		discard_book(&book);
		PG_RE_THROW();
	}
	PG_END_TRY();

	content = read_file(book.file);
	FileClose(book.file);
	PG_RETURN_BYTEA_P(content);
}

#else							/* !HAVE_XLSXWRITER */

Datum
to_xlsx(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("this build of usage_meter writes no spreadsheets"),
			 errdetail("It was built without libxlsxwriter."),
			 errhint("Install libxlsxwriter-dev, then build and install usage_meter again.")));
}

#endif							/* HAVE_XLSXWRITER */
