import java.sql.*;

/** What JDBC sends, with parameters of each kind: prints one line for each answer. */
public class AsOf {
    public static void main(String[] given) throws Exception {
        String counted = "SELECT count(*) FROM dim_customer_hist FOR SYSTEM_TIME ";
        try (Connection at = DriverManager.getConnection(given[0], given[1], given[2])) {
            for (int i = 0; i < 7; i++) { // from the fifth time on, it is a named statement
                try (PreparedStatement one = at.prepareStatement(counted + "AS OF ?")) {
                    one.setString(1, "2023-07-01");
                    System.out.println("text " + first(one));
                    one.setTimestamp(1, Timestamp.from(java.time.Instant.parse("2023-07-01T00:00:00Z")));
                    System.out.println("timestamp " + first(one));
                }
            }
            try (PreparedStatement one = at.prepareStatement(counted + "FROM ? TO ? WHERE customer_id > ?")) {
                one.setString(1, "2023-07-01");
                one.setString(2, "2023-08-01");
                one.setInt(3, 0);
                System.out.println("period " + first(one));
            }
            try (Statement one = at.createStatement()) {
                one.execute("CREATE TABLE of_java (id int PRIMARY KEY, v int) WITH (system_versioning = true)");
                one.execute("INSERT INTO of_java VALUES (1, 1)");
                one.execute("UPDATE of_java SET v = 2");
                ResultSet rows = one.executeQuery("SELECT count(*) FROM of_java FOR SYSTEM_TIME ALL");
                rows.next();
                System.out.println("versions " + rows.getInt(1));
                at.setAutoCommit(false);
                try {
                    one.executeQuery("SELECT * FROM dim_film FOR SYSTEM_TIME");
                } catch (SQLException problem) {
                    System.out.println(problem.getSQLState() + " " + problem.getMessage().replace("\n", "|"));
                }
                at.rollback();
                one.execute("DROP TABLE of_java");
                at.commit();
            }
        }
    }

    static long first(PreparedStatement asked) throws SQLException {
        try (ResultSet rows = asked.executeQuery()) {
            rows.next();
            return rows.getLong(1);
        }
    }
}
