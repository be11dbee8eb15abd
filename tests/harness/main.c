/*
 * main() of the test programs: what is in them, and running one suite on one row.
 */
#include "tests/harness/internal.h"

#include "tests/harness/rows.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SKIPPED = 77, USAGE = 2 };

static const struct test_row rows[] = {
#define ROW(id, backend, caps, faults) {#id, backend, caps, faults},
    TEST_ROWS(ROW)
#undef ROW
};
static const struct test_row no_row = {"-", NULL, NULL, false};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

struct selection {
    const char *suite;
    const char *row;
    const char *test;
    uint64_t seed;
};

static struct selection selection;

static bool is_plain(const struct aio_test_case *test)
{
    return test->run == test_run_plain;
}

/* All tests of a program have rows, or none has: a mixture could be run on the wrong ones. */
static bool program_is_plain(void)
{
    bool plain = aio__test_first() == NULL || is_plain(aio__test_first());
    for (struct aio_test_case *test = aio__test_first(); test != NULL; test = test->next)
        if (is_plain(test) != plain) {
            fprintf(stderr, "%s: %s: plain tests and tests with rows in one program\n", test->file,
                    test->name);
            exit(1);
        }
    return plain;
}

static bool first_of_suite(const struct aio_test_case *test)
{
    for (struct aio_test_case *other = aio__test_first(); other != test; other = other->next)
        if (strcmp(other->suite, test->suite) == 0)
            return false;
    return true;
}

static int list_suites(void)
{
    for (struct aio_test_case *test = aio__test_first(); test != NULL; test = test->next)
        if (first_of_suite(test))
            puts(test->suite);
    return 0;
}

static int list_rows(void)
{
    if (program_is_plain()) {
        puts(no_row.name);
        return 0;
    }
    for (int i = 0; i < ROW_COUNT; i++)
        puts(rows[i].name);
    return 0;
}

static const struct test_row *find_row(const char *name)
{
    if (program_is_plain())
        return name == NULL || strcmp(name, no_row.name) == 0 ? &no_row : NULL;
    for (int i = 0; i < ROW_COUNT; i++)
        if (name != NULL && strcmp(name, rows[i].name) == 0)
            return &rows[i];
    return NULL;
}

static uint64_t random_seed(void)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = (uint32_t)aio_time_now();
    return seed;
}

static int usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --list | --rows | --suite NAME [--row ROW] [--test NAME] [--seed N]\n",
            program);
    return USAGE;
}

static bool chosen(const struct aio_test_case *test, void *context)
{
    const struct selection *wanted = context;
    return strcmp(test->suite, wanted->suite) == 0 &&
           (wanted->test == NULL || strcmp(test->name, wanted->test) == 0);
}

static void seed_and_run(const struct aio_test_case *test)
{
    test_seed(selection.seed, test->name);
    aio__test_body(test);
}

/* Whether AIO_TEST_REQUIRE, a list of backends, names this one. */
static bool required(const char *backend)
{
    const char *list = getenv("AIO_TEST_REQUIRE");
    size_t length = strlen(backend);
    while (list != NULL && *list != '\0') {
        size_t word = strcspn(list, ",");
        if (word == length && strncmp(list, backend, length) == 0)
            return true;
        list += word + (list[word] == ',');
    }
    return false;
}

static int refuse_row(const struct test_row *row)
{
    if (!required(row->backend)) {
        printf("0 passed, 0 failed, 1 skipped\n");
        return SKIPPED;
    }
    printf("AIO_TEST_REQUIRE names it\n0 passed, 1 failed\n");
    return 1;
}

static int run_suite(const char *program)
{
    const struct test_row *row = find_row(selection.row);
    if (row == NULL)
        return usage(program);
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!test_network_enter(selection.suite)) {
        perror("the loopback of a network of one's own");
        return 1;
    }
    test_row_choose(row);
    if (row->backend != NULL && !test_row_available(row))
        return refuse_row(row);
    if (row->faults && test_faults == NULL) {
        fprintf(stderr, "%s is linked without the fault shim\n", program);
        return 1;
    }
    printf("suite %s, row %s, seed %llu\n", selection.suite, row->name,
           (unsigned long long)selection.seed);
    char title[64];
    snprintf(title, sizeof title, " [%s]", row->name);
    struct aio__test_plan plan = {title, chosen, &selection, seed_and_run};
    int code = aio__test_run(&plan);
    if (code == USAGE)
        fprintf(stderr, "%s: no such suite or test; --list prints the suites\n", program);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"list", no_argument, NULL, 'l'},
        {"rows", no_argument, NULL, 'r'},
        {"suite", required_argument, NULL, 's'},
        {"row", required_argument, NULL, 'w'},
        {"test", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    const char *seed = getenv("AIO_TEST_SEED");
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 'l':
            return list_suites();
        case 'r':
            return list_rows();
        case 's':
            selection.suite = optarg;
            break;
        case 'w':
            selection.row = optarg;
            break;
        case 't':
            selection.test = optarg;
            break;
        case 'n':
            seed = optarg;
            break;
        default:
            return usage(argv[0]);
        }
    }
    selection.seed = seed != NULL ? strtoull(seed, NULL, 0) : random_seed();
    return selection.suite == NULL ? usage(argv[0]) : run_suite(argv[0]);
}
