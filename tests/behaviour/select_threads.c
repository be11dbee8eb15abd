/*
 * Selects of several threads over channels between them: they meet, cross and compete, and each
 * item arrives once.
 */
#define SUITE "select_threads"
#include "tests/behaviour/select_mesh.h"
#include "tests/behaviour/shared_tools.h"

enum { ROUNDS = UNDER_TSAN || UNDER_ASAN ? 60 : 250, CROSSINGS = UNDER_TSAN ? 500 : 2000 };

BEHAVIOUR_OUTSIDE(mesh_of_rendezvous)
{
    AIO_CHECK(mesh_run(ROUNDS, (size_t[]){0, 0, 0}) > 0);
}

/* Channels that hold items cannot be told apart from a meeting with oneself: a select finds there
 * what it put in before, never what it puts in now. */
BEHAVIOUR_OUTSIDE(mesh_of_all_capacities)
{
    AIO_CHECK(mesh_run(ROUNDS, (size_t[]){0, 1, 5}) > 0);
}

/* A: sends on x or receives from y; B: receives from x or sends on y. */
struct crossing {
    struct crew crew; /* its channel is x */
    struct aio_shared_channel *y;
    _Atomic int64_t sent[2], received[2];
};

static void cross_often(struct crew_member *member, bool puts_x)
{
    struct crossing *crossing = (struct crossing *)(void *)member->crew;
    struct aio_shared_channel *x = crossing->crew.channel, *y = crossing->y;
    for (int i = 0; i < CROSSINGS; i++) {
        int64_t mine = i, got = -1;
        struct aio_select_case cases[] = {aio_select_put(puts_x ? x : y, &mine),
                                          aio_select_take(puts_x ? y : x, &got)};
        int which = aio_select_wait(cases, 2);
        REQUIRE(which >= 0 && cases[which].result == which);
        AIO_CHECK(which == 0 ? got == -1 : got >= 0);
        (which == 0 ? crossing->sent : crossing->received)[which == 0 ? !puts_x : puts_x]++;
    }
}

static void cross_one_way(struct crew_member *member)
{
    cross_often(member, true);
}

static void cross_the_other(struct crew_member *member)
{
    cross_often(member, false);
}

/* Both sides make as many choices, and each meeting is one of either: nobody is left. */
static void check_crossing(int tasks)
{
    struct crossing crossing = {.y = shared_of(sizeof(int64_t), 0)};
    REQUIRE(crew_open(&crossing.crew, sizeof(int64_t), 0));
    crew_add(&crossing.crew, cross_one_way, tasks);
    crew_add(&crossing.crew, cross_the_other, tasks);
    crew_run(&crossing.crew);
    aio_shared_release(crossing.y);
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_EQ(crossing.sent[i], crossing.received[i]);
        AIO_CHECK(crossing.sent[i] > 0);
    }
    AIO_CHECK_EQ(crossing.sent[0] + crossing.sent[1], (int64_t)CROSSINGS * tasks);
}

BEHAVIOUR_OUTSIDE(crossing)
{
    check_crossing(1);
}

BEHAVIOUR_OUTSIDE(crossing_of_several)
{
    check_crossing(3);
}

/* Selects on one side, calls that wait for one channel on the other. */
struct meeting {
    struct crew crew;
    struct aio_shared_channel *more[2];
    _Atomic int64_t sum_sent, sum_received;
    _Atomic int senders_left;
};

static struct aio_shared_channel *meeting_channel(struct meeting *meeting, int at)
{
    return at == 0 ? meeting->crew.channel : meeting->more[at - 1];
}

static void meet_sending(struct crew_member *member)
{
    struct meeting *meeting = (struct meeting *)(void *)member->crew;
    for (int64_t i = 1; i <= CROSSINGS; i++) {
        AIO_CHECK_OK(aio_shared_send(meeting_channel(meeting, (int)(test_random() % 3)), &i));
        meeting->sum_sent += i;
    }
    if (--meeting->senders_left == 0)
        for (int i = 0; i < 3; i++)
            aio_shared_close(meeting_channel(meeting, i));
}

/* A channel that is closed and drained is switched off. */
static void meet_selecting(struct crew_member *member)
{
    struct meeting *meeting = (struct meeting *)(void *)member->crew;
    struct aio_select_case cases[3];
    int64_t item;
    int open = 3;
    for (int i = 0; i < 3; i++)
        cases[i] = aio_select_take(meeting_channel(meeting, i), &item);
    while (open > 0) {
        int which = aio_select_wait(cases, 3);
        REQUIRE(which >= 0);
        if (cases[which].result == 1) {
            meeting->sum_received += item;
            continue;
        }
        AIO_CHECK_EQ(cases[which].result, 0);
        cases[which] = (struct aio_select_case){.kind = NULL};
        open--;
    }
}

/* Senders are tasks, or plain threads. */
static void check_meeting(int sender_tasks, size_t capacity)
{
    struct meeting meeting = {
        .more = {shared_of(sizeof(int64_t), capacity), shared_of(sizeof(int64_t), 2 * capacity)}};
    REQUIRE(crew_open(&meeting.crew, sizeof(int64_t), capacity));
    meeting.senders_left = sender_tasks == 0 ? 1 : sender_tasks;
    crew_add(&meeting.crew, meet_sending, sender_tasks);
    crew_add(&meeting.crew, meet_selecting, 2);
    crew_add(&meeting.crew, meet_selecting, 1);
    crew_run(&meeting.crew);
    aio_shared_release(meeting.more[0]);
    aio_shared_release(meeting.more[1]);
    AIO_CHECK(meeting.sum_sent > 0);
    AIO_CHECK_EQ(meeting.sum_received, meeting.sum_sent);
}

BEHAVIOUR_OUTSIDE(taking_from_tasks)
{
    check_meeting(3, 0);
    check_meeting(3, 2);
}

BEHAVIOUR_OUTSIDE(taking_from_a_thread)
{
    check_meeting(0, 0);
    check_meeting(0, 2);
}
