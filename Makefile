# usage_meter: build, installation and tests (PGXS)
#
#   make, make install, make installcheck   with a server of your own
#   make demo, make test, make bench        in a private throw-away server; do
#                                           their own set-up (dev/with_server)
#   make soak [SECONDS=600]                 load that goes on for long, in such a
#                                           server
#   make fuzz [SECONDS=60]                  the plain C core with libFuzzer, damaged
#                                           values in tables, usage reports
#
# PG_CONFIG=/path/to/pg_config chooses the server for all of them.

EXTENSION = usage_meter
PG_CONFIG ?= pg_config

# The version has one home, the control file.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

# Goals that must work before there is a pg_config.
SERVERLESS = demo test bench soak fuzz dist META.json

ifneq (,$(filter-out $(SERVERLESS),$(or $(MAKECMDGOALS),all)))

# ---- C -------------------------------------------------------------------

MODULE_big = usage_meter
SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o)

# -Wno-unused-parameter: PostgreSQL's headers have some, and so has every
# function with PG_FUNCTION_ARGS. A compiler newer than any we know may warn
# of more: make WERROR=
WERROR ?= -Werror
PG_CPPFLAGS = -I$(srcdir)/src -DUSAGE_METER_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter $(WERROR)

# PostgreSQL 15 loads libraries into one name space: our calls must not end in
# a function of the same name in somebody else's.
SHLIB_LINK = -Wl,-Bsymbolic

# Spreadsheets need libxlsxwriter, which is optional: make XLSX= builds without.
XLSX ?= $(wildcard /usr/include/xlsxwriter.h /usr/local/include/xlsxwriter.h)
ifneq (,$(XLSX))
PG_CPPFLAGS += -DHAVE_XLSXWRITER
SHLIB_LINK += -lxlsxwriter
endif

# ---- install script ------------------------------------------------------

# The order here is the order in the script.
EXTENSION_SQL = \
	sql/extension/10_sketch.sql \
	sql/extension/15_sla.sql \
	sql/extension/20_uuid.sql \
	sql/extension/25_total.sql \
	sql/extension/30_triggers.sql \
	sql/extension/32_take_deltas.sql \
	sql/extension/35_cost.sql \
	sql/extension/37_scope.sql \
	sql/extension/38_early_release.sql \
	sql/extension/39_run_query.sql \
	sql/extension/40_text_key.sql \
	sql/extension/45_text_charts.sql \
	sql/extension/50_usage_report.sql \
	sql/extension/60_xlsx.sql \
	sql/extension/90_create_usage_ledger.sql \
	sql/extension/92_create_source_views.sql

# What create_usage_ledger() executes, in this order.
LEDGER_SQL = \
	sql/ledger/10_cells.sql \
	sql/ledger/20_prices.sql \
	sql/ledger/22_model_names.sql \
	sql/ledger/24_cost.sql \
	sql/ledger/26_catalogue.sql \
	sql/ledger/29_directory.sql \
	sql/ledger/30_execution_history.sql \
	sql/ledger/32_request_claims.sql \
	sql/ledger/34_quarantine.sql \
	sql/ledger/35_partitions.sql \
	sql/ledger/36_partman.sql \
	sql/ledger/38_filter.sql \
	sql/ledger/40_rollups.sql \
	sql/ledger/43_corrections.sql \
	sql/ledger/45_fold.sql \
	sql/ledger/47_retention.sql \
	sql/ledger/50_read.sql \
	sql/ledger/60_reports.sql \
	sql/ledger/61_timelines.sql \
	sql/ledger/62_breakdowns.sql \
	sql/ledger/63_errors.sql \
	sql/ledger/63_cost_drivers.sql \
	sql/ledger/64_executions.sql \
	sql/ledger/65_statistics.sql \
	sql/ledger/66_customer_usage.sql \
	sql/ledger/66_refreshed.sql \
	sql/ledger/67_recording.sql \
	sql/ledger/68_meter_quantities.sql \
	sql/ledger/68_usage_aggregates.sql \
	sql/ledger/69_rerate.sql \
	sql/ledger/70_proof.sql \
	sql/ledger/80_exports.sql \
	sql/ledger/90_budgets.sql \
	sql/ledger/91_admission.sql \
	sql/ledger/92_budget_status.sql \
	sql/ledger/93_outbox.sql \
	sql/ledger/94_alerts.sql \
	sql/ledger/95_objectives.sql \
	sql/ledger/96_schedules.sql \
	sql/ledger/97_report_html.sql

# What create_source_views() executes, one of them at a time.
SOURCE_SQL = \
	sql/sources/partner_sla.sql \
	sql/sources/dashboard.sql \
	sql/sources/ai_usage_log.sql \
	sql/sources/execution_history.sql \
	sql/sources/api_usage.sql

# PGXS makes every file .SECONDARY: make would not complain of a missing part.
PARTS := $(EXTENSION_SQL) $(LEDGER_SQL) $(SOURCE_SQL)
PARTS_FOUND := $(wildcard sql/extension/*.sql sql/ledger/*.sql sql/sources/*.sql)
ifneq (,$(filter-out $(PARTS_FOUND),$(PARTS)))
$(error listed here but missing: $(filter-out $(PARTS_FOUND),$(PARTS)))
endif
ifneq (,$(filter-out $(PARTS),$(PARTS_FOUND)))
$(error there but not listed here: $(filter-out $(PARTS),$(PARTS_FOUND)))
endif

INSTALL_SQL = sql/$(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql) export/usage_meter_export.sql
DATA_built = $(INSTALL_SQL)

# ---- tests against a running server (make installcheck) ------------------

# pg_regress finds expected/ in its output directory, which is the top.
REGRESS := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
TAP_TESTS := $(if $(PROVE_TESTS),1)

EXTRA_CLEAN = .server META.json

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(wildcard $(PGXS)))
$(error $(PG_CONFIG) knows no PGXS: install PostgreSQL's server development files, or set PG_CONFIG)
endif
include $(PGXS)

# PGXS tracks no headers. .server changes with the server that is built for and
# with the libraries that are there, so objects made for others are made anew.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h) $(EXTENSION).control .server

.server: FORCE
	@{ $(PG_CONFIG) --version --includedir-server --cflags; echo 'XLSX=$(XLSX)'; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(INSTALL_SQL): $(PARTS) $(EXTENSION).control Makefile
	@for mark in ledger_sql $(SOURCE_SQL); do \
		test "$$(cat $(EXTENSION_SQL) | grep -cx "@$$mark@")" = 1 || \
			{ echo "expected one line @$$mark@ in sql/extension" >&2; exit 1; }; \
	done
	{ \
		printf '%s\n' '-- complain if script is sourced in psql, rather than via CREATE EXTENSION' \
			'\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
		cat $(LEDGER_SQL) | sed -e '/^@ledger_sql@$$/{' -e 'r /dev/stdin' -e d -e '}' \
			$(foreach file,$(SOURCE_SQL),-e '\|^@$(file)@$$|{' -e 'r $(file)' -e d -e '}') $(EXTENSION_SQL); \
	} > $@

.DELETE_ON_ERROR:
.PHONY: FORCE

endif

# ---- in a private throw-away server --------------------------------------

.PHONY: demo test bench soak fuzz dist

# make demo [DATA=file.csv]
demo:
	@dev/with_server --extra libxlsxwriter-dev -- demo/run $(if $(DATA),"$(DATA)")

# make test [TESTS="sql specs/foo"]
test:
	@test/run $(TESTS)

bench:
	@test/bench/run $(BARS)

# make soak [SECONDS=600]
soak:
	@USAGE_METER_SOAK_SECONDS=$(or $(SECONDS),600) test/soak/run

# make fuzz [SECONDS=60]
fuzz:
	@test/fuzz/run $(or $(SECONDS),60)
	@test/fuzz/stored
	@USAGE_METER_FUZZ_SECONDS=$(or $(SECONDS),60) USAGE_METER_FUZZ_SEED=0.$$$$ test/run pgtap/usage_report_fuzz

# ---- release -------------------------------------------------------------

# PGXN wants three numbers: 0.1 there is 0.1.0.
PGXN_VERSION = $(EXTVERSION)$(if $(word 3,$(subst ., ,$(EXTVERSION))),,.0)

META.json: META.json.in $(EXTENSION).control
	sed -e 's/@VERSION@/$(PGXN_VERSION)/' -e 's/@EXTVERSION@/$(EXTVERSION)/' META.json.in > $@

dist: META.json
	git archive --format=zip --prefix=$(EXTENSION)-$(PGXN_VERSION)/ --add-file=META.json \
		--output=$(EXTENSION)-$(PGXN_VERSION).zip HEAD
