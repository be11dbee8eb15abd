/*
 * The row matrix: every behaviour and contract test runs on every row, for a test is registered
 * without naming one.
 */
#ifndef AIO_TESTS_HARNESS_ROWS_H
#define AIO_TESTS_HARNESS_ROWS_H

/* X(id, backend option, caps option, through the fault shim) */
#define TEST_ROWS(X)                                                                               \
    X(uring, "uring", "all", false)                                                                \
    X(uring_masked, "uring", "none", false)                                                        \
    X(epoll, "epoll", "all", false)                                                                \
    X(epoll_masked, "epoll", "none", false)                                                        \
    X(uring_faults, "uring", "all", true)                                                          \
    X(epoll_faults, "epoll", "all", true)

#endif
