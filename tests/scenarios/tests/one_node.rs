//! Which scenarios do not run over several nodes, and why.

/// Drops a test over several nodes if its scenario is about one process.
macro_rules! unless_of_one_node {
    // `/metrics` is of one process.
    (what_happens_is_counted $($test:tt)*) => {};
    (no_label_comes_from_a_client $($test:tt)*) => {};
    (metrics_have_no_user_data $($test:tt)*) => {};
    (large_offers_put_out_nobody_on_a_slow_line $($test:tt)*) => {};

    // How many of 40 000 speaking events one node drops. Other nodes get the last of a burst.
    (speaking_is_dropped_without_eviction $($test:tt)*) => {};

    // The program: its flags, its files, its output and its sockets.
    (first_boot_writes_template_and_secrets $($test:tt)*) => {};
    (template_is_a_valid_configuration $($test:tt)*) => {};
    (server_runs_without_arguments $($test:tt)*) => {};
    (config_file_can_be_chosen $($test:tt)*) => {};
    (unknown_keys_are_refused_by_name $($test:tt)*) => {};
    (credential_lifetime_is_checked $($test:tt)*) => {};
    (token_subcommand_creates_a_user $($test:tt)*) => {};
    (flags_work_before_and_after_a_subcommand $($test:tt)*) => {};
    (stdout_has_the_address $($test:tt)*) => {};
    (dev_login_can_be_disabled $($test:tt)*) => {};
    (dev_login_is_disabled_beyond_loopback $($test:tt)*) => {};
    (flag_wins_over_environment_and_environment_over_file $($test:tt)*) => {};
    (with_secrets_and_a_database_the_folder_has_the_configuration_alone $($test:tt)*) => {};
    (the_secrets_of_the_environment_win $($test:tt)*) => {};
    (the_token_subcommand_uses_the_database $($test:tt)*) => {};
    (a_wrong_url_is_refused_and_not_shown $($test:tt)*) => {};
    (broken_connections_leak_no_sockets $($test:tt)*) => {};
    (client_that_never_reads_is_disconnected $($test:tt)*) => {};

    // How one process deals with its database. It logs a failure once.
    (writes_to_a_locked_database_are_503_and_the_rest_goes_on $($test:tt)*) => {};
    (joins_are_unavailable_until_a_database_that_is_gone_is_back $($test:tt)*) => {};
    (without_the_database_requests_are_503_until_it_is_back $($test:tt)*) => {};
    (a_database_that_does_not_answer_ends_the_start_without_showing_the_url $($test:tt)*) => {};

    // The end of the one server, and its next start.
    (a_server_that_runs_is_alive_and_ready $($test:tt)*) => {};
    (a_server_that_ends_is_not_ready $($test:tt)*) => {};
    (everybody_is_back_after_a_second $($test:tt)*) => {};
    (everybody_is_back_after_six_seconds $($test:tt)*) => {};
    (clients_rejoin_after_a_restart $($test:tt)*) => {};
    (sigterm_closes_connections_with_going_away $($test:tt)*) => {};
    (sigint_closes_connections_with_going_away $($test:tt)*) => {};
    (stalled_clients_do_not_delay_the_shutdown $($test:tt)*) => {};
    (late_reader_gets_the_close_frame $($test:tt)*) => {};
    (restart_keeps_users_and_channels $($test:tt)*) => {};
    (a_restart_keeps_everything $($test:tt)*) => {};
    (generated_secret_is_kept $($test:tt)*) => {};

    // The rate is counted by the node of a connection. Most of these last ten seconds.
    (excess_is_answered_and_dropped $($test:tt)*) => {};
    (default_allows_a_burst $($test:tt)*) => {};
    (limit_applies_to_each_connection $($test:tt)*) => {};
    (ten_seconds_of_excess_close_the_connection $($test:tt)*) => {};
    (excess_ends_after_a_quiet_second $($test:tt)*) => {};
    (leave_over_the_rate_is_carried_out $($test:tt)*) => {};
    (large_descriptions_count_more_often $($test:tt)*) => {};
    (rejoin_counts_by_its_snapshot $($test:tt)*) => {};
    (flood_of_pings_is_closed $($test:tt)*) => {};
    (flood_of_empty_fragments_is_closed $($test:tt)*) => {};
    (flood_of_leaves_is_closed $($test:tt)*) => {};

    // `silent_client_is_found_by_ping` runs over several nodes. This one lasts 30 seconds.
    (silent_client_is_found_within_30_seconds_by_default $($test:tt)*) => {};

    ($scenario:ident $($test:tt)*) => { $($test)* };
}
