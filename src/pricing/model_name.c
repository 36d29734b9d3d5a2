/*-------------------------------------------------------------------------
 *
 * model_name.c
 *		The names under which the price of a model may be listed.
 *
 * A model has more names than prices: with the provider before it or not, with
 * the date of a snapshot, the version of a vendor's deployment, a region.  Here
 * the forms of a name are made, the nearest first.  Only what is known to be such
 * a part is ever taken away or put before; nothing is compared by likeness.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "pricing/model_name.h"

const char *const name_match_names[NAME_NORMALISED + 1] = {
	[NAME_EXACT] = "exact",
	[NAME_ALIAS] = "alias",
	[NAME_NORMALISED] = "normalised",
};

/* What stands before a model, with a dot or a slash, where it is served for one part of the world. */
static const char *const geographies[] = {
	"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "me", "af", "in", "uk", "global"
};

/* Does name begin with these bytes and a separator?  Then what comes after it, else NULL. */
static const char *
after_prefix(const char *name, const char *prefix, char separator)
{
	Size		length = strlen(prefix);

	if (strncmp(name, prefix, length) != 0 || name[length] != separator || name[length + 1] == '\0')
		return NULL;
	return name + length + 1;
}

/* How many of these characters are digits, from here on? */
static int
count_digits(const char *name)
{
	int			count = 0;

	while (isdigit((unsigned char) name[count]))
		count++;
	return count;
}

/* "us-east-1": what stands before a model served in one region of a cloud */
static const char *
after_cloud_region(const char *name)
{
	const char *slash = strchr(name, '/');
	const char *character;
	int			dashes = 0;

	if (slash == NULL || slash[1] == '\0' || slash - name < 6 || !isdigit((unsigned char) slash[-1]) || slash[-2] != '-')
		return NULL;
	for (character = name; character < slash - 1; character++)
	{
		if (*character == '-')
			dashes++;
		else if (!islower((unsigned char) *character))
			return NULL;
	}
	return dashes >= 2 ? slash + 1 : NULL;
}

static const char *
without_region(const char *name)
{
	const char *rest = after_cloud_region(name);
	int			i;

	for (i = 0; rest == NULL && i < (int) lengthof(geographies); i++)
	{
		rest = after_prefix(name, geographies[i], '/');
		/* "us.anthropic.claude", not "us.model" */
		if (rest == NULL && (rest = after_prefix(name, geographies[i], '.')) != NULL && strchr(rest, '.') == NULL)
			rest = NULL;
	}
	return rest != NULL ? rest : name;
}

static const char *
without_provider(const char *name, List *prefixes)
{
	ListCell   *cell;
	const char *rest = after_prefix(name, "models", '/');

	foreach(cell, prefixes)
	{
		if (rest == NULL)
			rest = after_prefix(name, lfirst(cell), '/');
	}
	return rest != NULL ? rest : name;
}

static const char *
shortened(const char *name, Size length)
{
	return length > 0 && length < strlen(name) ? pnstrdup(name, length) : name;
}

/* Without ":0", "-v1:0", "-v2" or "-001" at the end. */
static const char *
without_version(const char *name)
{
	Size		length = strlen(name);
	Size		end = length;

	while (end > 0 && isdigit((unsigned char) name[end - 1]))
		end--;
	if (end == length || end == 0)
		return name;
	if (length - end == 3 && name[end - 1] == '-')
		return shortened(name, end - 1);
	if (name[end - 1] == ':')
	{
		length = --end;
		while (end > 0 && isdigit((unsigned char) name[end - 1]))
			end--;
	}
	if (end < length && end >= 2 && name[end - 1] == 'v' && name[end - 2] == '-')
		return shortened(name, end - 2);
	return shortened(name, length);
}

static bool
is_date(int month, int day)
{
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* Without "-20250514", "@20250514" or "-2025-05-14" at the end. */
static const char *
without_date(const char *name)
{
	Size		length = strlen(name);
	const char *tail;

	tail = name + length - 9;
	if (length > 9 && (*tail == '-' || *tail == '@') && count_digits(tail + 1) == 8 && tail[1] == '2' && tail[2] == '0' &&
		is_date((tail[5] - '0') * 10 + tail[6] - '0', (tail[7] - '0') * 10 + tail[8] - '0'))
		return shortened(name, length - 9);
	tail = name + length - 11;
	if (length > 11 && *tail == '-' && count_digits(tail + 1) == 4 && tail[1] == '2' && tail[2] == '0' && tail[5] == '-' &&
		count_digits(tail + 6) == 2 && tail[8] == '-' && count_digits(tail + 9) == 2 &&
		is_date((tail[6] - '0') * 10 + tail[7] - '0', (tail[9] - '0') * 10 + tail[10] - '0'))
		return shortened(name, length - 11);
	return name;
}

/* The name, and what is left of it step by step. */
static List *
forms_of(const char *name, List *prefixes)
{
	List	   *forms = list_make1(unconstify(char *, name));
	const char *steps[4];
	int			i;

	steps[0] = without_provider(name, prefixes);
	steps[1] = without_region(steps[0]);
	steps[2] = without_version(steps[1]);
	steps[3] = without_date(steps[2]);
	for (i = 0; i < (int) lengthof(steps); i++)
	{
		if (steps[i] != llast(forms))
			forms = lappend(forms, unconstify(char *, steps[i]));
	}
	return forms;
}

static List *
add_string(List *strings, const char *string)
{
	ListCell   *cell;

	foreach(cell, strings)
	{
		if (strcmp(lfirst(cell), string) == 0)
			return strings;
	}
	return lappend(strings, unconstify(char *, string));
}

/* What catalogues put before a model: the provider, or its first part, as in vertex_ai-mistral_models. */
static List *
prefixes_of(List *providers)
{
	List	   *prefixes = NIL;
	ListCell   *cell;

	foreach(cell, providers)
	{
		const char *provider = lfirst(cell);
		const char *dash = strchr(provider, '-');

		prefixes = add_string(prefixes, provider);
		if (dash != NULL && dash > provider)
			prefixes = add_string(prefixes, pnstrdup(provider, dash - provider));
	}
	return prefixes;
}

static List *
add_name(List *names, const char *provider, const char *model, NameMatch match)
{
	ModelName  *name;
	ListCell   *cell;

	foreach(cell, names)
	{
		name = lfirst(cell);
		if (strcmp(name->model, model) == 0 && strcmp(name->provider, provider) == 0)
			return names;
	}
	name = palloc(sizeof(ModelName));
	name->provider = provider;
	name->model = model;
	name->match = match;
	return lappend(names, name);
}

/*
 * Append the names of a model, the nearest first: as it is; then each form with
 * each provider, alone and behind each prefix.  Where the region is known,
 * a price of the region comes before all others.  match says how the model and
 * the first provider were found; the other providers are aliases of it.
 */
List *
model_names(List *names, List *providers, const char *model, const char *region, NameMatch match)
{
	List	   *prefixes = prefixes_of(providers);
	List	   *forms = forms_of(model, prefixes);
	ListCell   *form;
	ListCell   *provider;
	ListCell   *prefix;

	if (region != NULL && region[0] != '\0')
	{
		const char *bare = without_region(without_provider(model, prefixes));

		foreach(provider, providers)
		{
			foreach(prefix, prefixes)
				names = add_name(names, lfirst(provider),
								 psprintf("%s/%s/%s", (char *) lfirst(prefix), region, bare), NAME_NORMALISED);
		}
	}

	foreach(form, forms)
	{
		bool		whole = form == list_head(forms);

		foreach(provider, providers)
			names = add_name(names, lfirst(provider), lfirst(form),
							 !whole ? NAME_NORMALISED : provider == list_head(providers) ? match : NAME_ALIAS);
		foreach(provider, providers)
		{
			foreach(prefix, prefixes)
				names = add_name(names, lfirst(provider),
								 psprintf("%s/%s", (char *) lfirst(prefix), (char *) lfirst(form)), NAME_NORMALISED);
		}
	}
	return names;
}
