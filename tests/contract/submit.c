/*
 * Clauses 1, 2, 3 and 8: submit, exactly-once completion, who owns buffers when, short transfers.
 */
#define SUITE "submit"
#include "tests/contract/fixture.h"

CONTRACT(contract_01_submit_reports_errors_on_done)
{
    int fds[2];
    char byte = 'x';
    REQUIRE(fd_pipe(fds));
    struct aio__op not_open = op_recv(1000000, &byte, 1);
    struct aio__op negative = op_send(-1, &byte, 1);
    struct aio__op not_socket = op_recv(fds[0], &byte, 1);
    struct aio__op not_readable = op_read(fds[1], &byte, 1, -1);
    AIO_CHECK_ERROR(op_run(&not_open), -EBADF);
    AIO_CHECK_ERROR(op_run(&negative), -EBADF);
    AIO_CHECK_ERROR(op_run(&not_socket), -ENOTSOCK);
    AIO_CHECK_ERROR(op_run(&not_readable), -EBADF);
    fd_close_pair(fds);
}

CONTRACT(contract_01_submit_runs_nothing_of_core)
{
    struct aio__op ops[64];
    for (int i = 0; i < 64; i++) {
        ops[i] = op_make(AIO__OP_NOP, -1);
        op_submit(&ops[i]); /* checks that `complete` has not been called */
    }
    await_all();
    for (int i = 0; i < 64; i++)
        AIO_CHECK_EQ(ops[i].result, 0);
}

/* The memory of ops that came back is overwritten: whoever still uses it stumbles. */
CONTRACT(contract_02_ops_come_back_once_and_are_let_go)
{
    enum { COUNT = 40 };
    int fds[COUNT][2];
    char bytes[COUNT] = "";
    struct aio__op *ops = calloc(COUNT, sizeof *ops);
    REQUIRE(ops != NULL);
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(fd_socketpair(fds[i]));
        ops[i] = op_recv(fds[i][0], &bytes[i], 1);
        op_submit(&ops[i]);
    }
    turn(0);
    for (int i = 0; i < COUNT; i += 2)
        fd_writes(fds[i][1], "x", 1);
    for (int i = 1; i < COUNT; i += 2)
        op_cancel(&ops[i]);
    await_all();
    for (int i = 0; i < COUNT; i++)
        AIO_CHECK_EQ(ops[i].result, i % 2 == 0 ? 1 : -ECANCELED);
    memset(ops, 0x5a, COUNT * sizeof *ops);
    for (int i = 0; i < COUNT; i++)
        fd_writes(fds[i][1], "y", 1);
    for (int i = 0; i < 8; i++)
        turn(aio_time_now() + AIO_US(300));
    const unsigned char *memory = (const unsigned char *)ops;
    for (size_t i = 0; i < COUNT * sizeof *ops; i++)
        if (memory[i] != 0x5a && !AIO_CHECK_EQ(memory[i], 0x5a))
            break;
    for (int i = 0; i < COUNT; i++)
        fd_close_pair(fds[i]);
    free(ops);
}

CONTRACT(contract_03_buffers_are_not_touched_after_done)
{
    int fds[2];
    char buffer[64];
    REQUIRE(fd_socketpair(fds));
    memset(buffer, '-', sizeof buffer);
    struct aio__op recv = op_recv(fds[0], buffer, sizeof buffer);
    op_submit(&recv);
    turn(0);
    AIO_CHECK_ERROR(op_stop(&recv), -ECANCELED);
    fd_writes(fds[1], "late", 4);
    for (int i = 0; i < 6; i++)
        turn(aio_time_now() + AIO_US(300));
    for (size_t i = 0; i < sizeof buffer; i++)
        AIO_CHECK_EQ(buffer[i], '-');
    AIO_CHECK_EQ(read(fds[0], buffer, sizeof buffer), 4); /* and nothing was consumed */
    fd_close_pair(fds);
}

struct transfer {
    struct aio__op op;
    size_t bytes; /* so far */
};

enum { TRANSFER_TOTAL = 3 * 1000 * 1000, TRANSFER_PIECE = 300 * 1000 };

/* Takes the result of the piece that is done. */
static bool transfer_take(struct transfer *transfer)
{
    if (!AIO_CHECK(transfer->op.result > 0))
        return false;
    transfer->bytes += (size_t)transfer->op.result;
    return true;
}

static void send_piece(struct transfer *out, int fd)
{
    static char buffer[TRANSFER_PIECE];
    size_t left = TRANSFER_TOTAL - out->bytes;
    size_t size = left < TRANSFER_PIECE ? left : TRANSFER_PIECE;
    test_pattern_fill(buffer, size, out->bytes);
    out->op = op_send(fd, buffer, size);
    op_submit(&out->op);
}

/* More than fits in any socket buffer: it goes and comes in pieces, and nothing is lost. */
CONTRACT(contract_08_transfers_may_be_short_and_lose_nothing)
{
    static char buffer[TRANSFER_PIECE];
    struct transfer out = {.bytes = 0}, in = {.bytes = 0};
    int fds[2];
    REQUIRE(fd_tcp_pair(fds));
    send_piece(&out, fds[0]);
    in.op = op_recv(fds[1], buffer, sizeof buffer);
    op_submit(&in.op);
    while (in.bytes < TRANSFER_TOTAL) {
        turn(aio_time_now() + AIO_SEC(1));
        if (out.bytes < TRANSFER_TOTAL && op_done(&out.op)) {
            if (!transfer_take(&out))
                break;
            if (out.bytes < TRANSFER_TOTAL)
                send_piece(&out, fds[0]);
        }
        if (op_done(&in.op)) {
            size_t position = in.bytes;
            if (!transfer_take(&in) || !test_pattern_check(buffer, (size_t)in.op.result, position))
                break;
            in.op = op_recv(fds[1], buffer, sizeof buffer);
            op_submit(&in.op);
        }
    }
    AIO_CHECK_EQ(in.bytes, TRANSFER_TOTAL);
    op_cancel(&in.op);
    op_cancel(&out.op);
    await_all();
    fd_close_pair(fds);
}
