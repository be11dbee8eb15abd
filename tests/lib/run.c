/*
 * The runner: registered tests become CUnit suites. CUnit's test functions take no argument, so
 * one trampoline serves all and looks its test up by CUnit's own record of what is running.
 */
#include "tests/lib/lib.h"

#include <CUnit/Basic.h>
#include <aio/error.h>
#include <aio/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aio_test_case *first;
static struct aio_test_case **last = &first;
static const struct aio__test_plan *plan;
static struct aio__test_totals totals;

void aio_test_register(struct aio_test_case *test)
{
    *last = test;
    last = &test->next;
}

struct aio_test_case *aio__test_first(void)
{
    return first;
}

struct entry {
    const struct aio_test_case *test;
    bool started;
};

static int enter(void *arg)
{
    struct entry *entry = arg;
    entry->started = true;
    entry->test->body();
    return 0;
}

void aio__test_task(const struct aio_test_case *test, const struct aio_runtime_options *options)
{
    struct entry entry = {test, false};
    aio__watchdog_start(test->name, test->file, aio_runtime_dump);
    int rc = aio_runtime_run(options, enter, &entry);
    aio__watchdog_stop();
    if (!entry.started)
        aio_test_fail(test->file, 1, "the runtime did not start: %s", aio_error_name(rc));
}

void aio__test_body(const struct aio_test_case *test)
{
    if (test->run != NULL)
        test->run(test);
    else
        aio__test_task(test, NULL);
}

/* CUnit's name of a suite: the plan's title tells rows apart. */
static const char *suite_name(const struct aio_test_case *test, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s%s", test->suite, plan->title);
    return buffer;
}

static const struct aio_test_case *current(void)
{
    char name[128];
    for (const struct aio_test_case *test = first; test != NULL; test = test->next)
        if (strcmp(test->name, CU_get_current_test()->pName) == 0 &&
            strcmp(suite_name(test, name, sizeof name), CU_get_current_suite()->pName) == 0)
            return test;
    abort(); /* only registered tests are added */
}

static void trampoline(void)
{
    const struct aio_test_case *test = current();
    unsigned failures = CU_get_number_of_failures(); /* CUnit's own checks count too */
    aio__test_begin();
    (plan->around != NULL ? plan->around : aio__test_body)(test);
    aio__test_replay();
    struct aio__test_record record = aio__test_end();
    if (record.failures > 0 || CU_get_number_of_failures() > failures)
        totals.failed++;
    else if (record.skipped)
        totals.skipped++;
    else
        totals.passed++;
}

static int add(const struct aio_test_case *test)
{
    char name[128];
    CU_pSuite suite = CU_get_suite(suite_name(test, name, sizeof name));
    if (suite == NULL)
        suite = CU_add_suite(name, NULL, NULL);
    if (suite == NULL || CU_add_test(suite, test->name, trampoline) == NULL) {
        fprintf(stderr, "%s: %s.%s: %s\n", test->file, test->suite, test->name, CU_get_error_msg());
        return -1;
    }
    return 0;
}

static void print_totals(void)
{
    printf("%u passed, %u failed", totals.passed, totals.failed);
    if (totals.skipped > 0)
        printf(", %u skipped", totals.skipped);
    printf("\n");
}

int aio__test_run(const struct aio__test_plan *chosen_plan)
{
    unsigned count = 0;
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing is lost when a test aborts */
    plan = chosen_plan;
    totals = (struct aio__test_totals){0, 0, 0};
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    for (const struct aio_test_case *test = first; test != NULL; test = test->next) {
        if (!plan->chosen(test, plan->context))
            continue;
        if (add(test) < 0)
            return 1;
        count++;
    }
    if (count > 0) {
        CU_basic_set_mode(CU_BRM_VERBOSE);
        CU_basic_run_tests();
        totals.failed += count - (totals.passed + totals.failed + totals.skipped);
        print_totals();
    }
    CU_cleanup_registry();
    return count == 0 ? 2 : totals.failed > 0;
}

struct words {
    int count;
    char **list;
};

static bool named(const struct aio_test_case *test, void *context)
{
    struct words *words = context;
    char full[256];
    snprintf(full, sizeof full, "%s.%s", test->suite, test->name);
    for (int i = 0; i < words->count; i++)
        if (strcmp(words->list[i], test->name) == 0 || strcmp(words->list[i], full) == 0)
            return true;
    return words->count == 0;
}

static int list_tests(void)
{
    for (const struct aio_test_case *test = first; test != NULL; test = test->next)
        printf("%s.%s\n", test->suite, test->name);
    return 0;
}

int aio_test_main(int argc, char **argv)
{
    struct words words = {argc - 1, argv + 1};
    struct aio__test_plan all = {"", named, &words, NULL};
    if (argc > 1 && strcmp(argv[1], "--list") == 0)
        return list_tests();
    int code = aio__test_run(&all);
    if (code == 2)
        fprintf(stderr, "%s: no test has such a name; --list prints them\n", argv[0]);
    return code;
}
